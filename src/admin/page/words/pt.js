// A página em português do Brasil.

const many = (count, one, more) => `${count} ${count === 1 ? one : more}`;

const causes = {
  gone: "o processo terminou",
  refused: "recusa conexões",
  unresponsive: "não responde à verificação",
  unhealthy: "a verificação falha",
  flapping: "fica bem e mal alternadamente",
  reclaimed: "a máquina está para ser tomada",
  never_served: "não atendeu a tempo",
  surplus: "é uma a mais",
  duplicate: "o lugar é de outra",
  revenant: "foi substituída e voltou",
  ordered: "a pedido do operador",
  shutdown: "tudo está sendo parado",
};

const holds = {
  unlisted: () => "a primeira lista do provedor",
  paused: (hold) => `${hold.slot}: pausado pelo operador`,
  frozen: (hold, time) =>
    `novas (${hold.group}) falharam do mesmo modo (${hold.cause}): criação congelada, nova tentativa ${time}`,
  on_trial: (hold) => `${hold.slot}: como vai a que está em teste`,
  budget: (hold, time) => `${hold.slot}: substituições demais; a próxima ${time}`,
  limit: (hold) => `${hold.slot}: espaço, já existem tantas máquinas quanto é permitido`,
  fenced: (hold) => `${hold.slot}: não se sabe se a antiga já se foi (${hold.instance})`,
  shaken: (hold) => `${hold.group}: a maioria oscila, então nenhuma leva a culpa`,
  shedding: (hold) => `${hold.group}: todos respondem 503, como um sucessor responderia`,
  awaits_successor: (hold) => `${hold.instance}: até a sucessora atender`,
};

export default {
  name: "Português",
  tools: "Página",
  skip: "Ir para a frota",
  connecting: "conectando",
  live: "ao vivo",
  stale: (seconds) => `sem notícias há ${seconds} s; tentando de novo`,
  themes: { auto: "Tema: auto", light: "Tema: claro", dark: "Tema: escuro" },
  signIn: "Entrar",
  signOut: "Sair",
  tokenIs: "O token está no arquivo admin.token do diretório de estado. Ele fica apenas nesta aba.",
  token: "Token",
  cancel: "Cancelar",
  wrongToken: "Este não é o token deste servidor.",
  unreachable: "O servidor não responde.",

  wrong: "O que está errado",
  done: "O que já foi feito",
  waits: "O que ele espera",
  nothing: "Nada.",
  allServe: "Tudo está atendendo",
  noneWanted: "Nenhuma instância é desejada",
  paused: "Em pausa: nada é criado nem encerrado",
  stopping: "Tudo está sendo parado",
  unknown: "A frota ainda não é conhecida",
  someServe: (serving, desired) => `${serving} de ${desired} instâncias atendem`,
  noneServes: "Nenhuma instância atende",
  backendDown: "O backend está fora do ar",
  replacing: (slot) => `${slot} está sendo substituída`,
  resizing: "A frota está mudando de tamanho",
  where: (status) => `Balanceador ${status.balancer}`,
  lastRepair: (slot, took, ago) => `${slot} foi reparada em ${took}, ${ago}`,
  lastOrder: (slot, took, ago) => `${slot} foi substituída a pedido em ${took}, ${ago}`,
  lastRecovery: (slot, ago) => `${slot} se recuperou sozinha, ${ago}`,
  underway: {
    detected: (slot) => `${slot}: a falha foi percebida`,
    ejected: (slot) => `${slot}: retirada do tráfego`,
    launch_sent: (slot) => `${slot}: uma sucessora foi pedida`,
    running: (slot) => `${slot}: a sucessora está em execução`,
    port_open: (slot) => `${slot}: a porta da sucessora está aberta`,
    first_2xx: (slot) => `${slot}: a sucessora responde`,
    serving: (slot) => `${slot}: atende de novo`,
  },
  awaits: {
    ejected: (slot) => `${slot}: o veredito`,
    launch_sent: (slot) => `${slot}: a criação de uma sucessora`,
    running: (slot) => `${slot}: o início da sucessora`,
    port_open: (slot) => `${slot}: a porta da sucessora`,
    first_2xx: (slot) => `${slot}: a primeira boa resposta da sucessora`,
    serving: (slot) => `${slot}: tráfego para a sucessora`,
  },

  fleet: "Frota",
  tally: (status) => {
    const parts = [`${status.instances.serving} de ${status.instances.desired} atendem`];
    if (status.standby.desired > 0)
      parts.push(`${status.standby.ready} de ${status.standby.desired} de prontidão`);
    if (status.backend.desired > 0)
      parts.push(status.backend.serving > 0 ? "o backend atende" : "o backend está fora do ar");
    return parts.join(" · ");
  },
  instances: "Instâncias",
  backends: "Backends",
  group: "O que escalar",
  howMany: "Quantidade",
  fewer: "Uma a menos",
  more: "Uma a mais",
  scale: "Escalar",
  pause: "Pausar",
  resume: "Retomar",
  slot: "Lugar",
  state: "Estado",
  address: "Endereço",
  inFlight: "Em curso",
  rate: "Req/s",
  errors: "Erros/s",
  probe: "Última verificação",
  generation: "Ger.",
  age: "Idade",
  actions: "Ações",
  drain: "Esvaziar",
  replace: "Substituir",
  drainSlot: (slot) => `Esvaziar ${slot}`,
  replaceSlot: (slot) => `Substituir ${slot}`,
  backend: "backend",
  states: {
    starting: "iniciando",
    standby: "de prontidão",
    serving: "atendendo",
    outgoing: "a substituir",
    condemned: "falhou",
    draining: "esvaziando",
    terminating: "encerrando",
    empty: "vazio",
  },
  findings: {
    well: "bem",
    leaving: "de saída",
    shedding: "sobrecarregada",
    refused: "recusada",
    timed_out: "sem resposta",
    failed: "respondeu",
  },
  garbled: "não entendida",

  traffic: "Tráfego",
  quarter: "15 minutos",
  day: "24 horas",
  requestsByClass: "Respostas por segundo, por classe",
  latency: "Tempo até o primeiro byte",
  trouble: "Novas tentativas, esperas e ejeções por segundo",
  time: "Hora",
  half: "p50",
  most: "p99",
  retries: "novas tentativas",
  held: "em espera",
  ejections: "ejeções",
  requestWords: (rate, errors) =>
    `No último intervalo, ${rate} respostas por segundo, das quais ${errors} da classe 5xx.`,
  latencyWords: (half, most) => `No último intervalo, p50 ${half}, p99 ${most}.`,
  troubleWords: (retries, held, ejections) =>
    `No período mostrado, ${retries} novas tentativas, ${held} requisições em espera, ${ejections} ejeções.`,

  incidents: "Incidentes",
  noIncidents: "Nada falhou desde o início dos registros.",
  older: "Mostrar os mais antigos",
  repairs: (repairs) =>
    `${many(repairs.count, "reparo", "reparos")} · p50 ${repairs.p50}, p99 ${repairs.p99}`,
  causes,
  incidentTitle: (slot, cause) => `${slot} · ${causes[cause] ?? cause}`,
  outcomes: {
    open: () => "em reparo",
    repaired: (took) => `reparado em ${took}`,
    ordered: (took) => `substituído em ${took}`,
    recovered: (took) => `recuperou-se sozinho após ${took}`,
    unwanted: () => "abandonado: frota reduzida",
    stopped: () => "abandonado: tudo foi parado",
  },
  steps: {
    detected: "percebido",
    ejected: "fora do tráfego",
    launch_sent: "criação pedida",
    running: "em execução",
    port_open: "porta aberta",
    first_2xx: "primeira boa resposta",
    serving: "atendendo",
  },
  awaited: "aguardado",
  skipped: "desnecessário",
  unseen: "não visto",
  lost: "perdida",
  successor: "sucessora",
  launches: (count) => many(count, "criação", "criações"),

  holds,
  slowProbes: () => "as verificações são mais raras do que o configurado: há instâncias demais",
  in: (time) => `em ${time}`,
  now: "agora",
  ago: (time) => `há ${time}`,

  settings: "Configuração",
  onlyChosen: "Apenas o que foi escolhido",
  key: "Chave",
  value: "Valor",
  origin: "Origem",
  byDefault: "padrão",
  chosen: "arquivo ou opção",
  version: (status) =>
    `CloudAPS ${status.version} · provedor ${status.ownership === "foreign" ? "estático" : "dono das máquinas"}`,

  confirm: {
    scale: (group, from, to) => ({
      title: `Escalar de ${from} para ${to} ${group === "backends" ? "backends" : "instâncias"}?`,
      text:
        to < from
          ? "Primeiro são esvaziadas e depois encerradas as vagas de número mais alto."
          : "O que é novo recebe tráfego quando passa nas verificações.",
      yes: "Escalar",
    }),
    drain: (slot) => ({
      title: `Esvaziar ${slot}?`,
      text: "Não recebe novas requisições. As que estão em curso terminam; depois ela é encerrada e substituída.",
      yes: "Esvaziar",
    }),
    replace: (slot) => ({
      title: `Substituir ${slot}?`,
      text: slot.startsWith("backend")
        ? "O backend antigo precisa ter ido embora antes que o novo abra os dados. As requisições esperam enquanto isso."
        : "A sucessora é criada primeiro. Quando ela atende, esta é esvaziada e encerrada.",
      yes: "Substituir",
    }),
    pause: () => ({
      title: "Pausar a cura?",
      text: "Nada é criado nem encerrado até que alguém retome. O tráfego continua, e destinos mortos continuam evitados.",
      yes: "Pausar",
    }),
    resume: () => ({
      title: "Retomar a cura?",
      text: "O que falta é criado, e o que falhou é substituído. Um congelamento de criações termina.",
      yes: "Retomar",
    }),
  },
};
