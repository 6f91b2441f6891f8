// Puts the page together.

import { askForToken, startActions } from "./actions.js";
import { startCharts } from "./charts.js";
import { startFleet } from "./fleet.js";
import { startHeadline } from "./headline.js";
import { startIncidents } from "./incidents.js";
import { speak } from "./language.js";
import { startLink } from "./link.js";
import { startSettings } from "./settings.js";
import { changedAll, follow } from "./store.js";
import { showTheme, startTheme } from "./theme.js";

startHeadline();
startFleet();
const charts = startCharts();
startIncidents();
startSettings();
startActions();
startTheme(() => charts.draw());
speak(() => {
  showTheme();
  charts.draw();
  changedAll();
});
startLink();
follow({ refused: askForToken });
