// Speaks to the admin API. The token is kept in this tab and sent in a header, never in an address.

const KEY = "cloudaps.token";

/** What the server answered instead of what was asked for. */
export class Refusal extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

export const isSignedIn = () => sessionStorage.getItem(KEY) !== null;

export function signOut() {
  sessionStorage.removeItem(KEY);
}

/** Keeps the token if it is the server's; says whether it is. */
export async function signIn(token) {
  const { may_change: isOurs } = await request("GET", "/v1/access", { token });
  if (isOurs) sessionStorage.setItem(KEY, token);
  return isOurs;
}

/** What shows who we are, for a request of our own. */
export function credentials(token = sessionStorage.getItem(KEY)) {
  return token === null ? {} : { Authorization: `Bearer ${token}` };
}

export const read = (path) => request("GET", path);

export const order = (path, body) => request("POST", path, { body });

async function request(method, path, { body, token } = {}) {
  const headers = credentials(token);
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  const said = await answer.json();
  if (!answer.ok) throw new Refusal(answer.status, said.detail);
  return said;
}
