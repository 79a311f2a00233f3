// A complete SMART app of one page: discovery, authorization code with PKCE, FHIR requests.
const clientID = "demo-public";
const redirect = location.origin + "/demo/callback";
const fhir = location.origin + "/fhir";
const $ = (id) => document.getElementById(id);

const base64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

function say(text, bad = false) {
  $("status").textContent = text;
  $("status").className = bad ? "error" : "";
}

async function configuration() {
  const answer = await fetch(fhir + "/.well-known/smart-configuration");
  if (!answer.ok) throw new Error("No smart-configuration: this server runs without authorization.");
  return answer.json();
}

async function launch(scope) {
  const config = await configuration();
  const flow = { verifier: random(), state: random(), nonce: random(), scope };
  sessionStorage.setItem("flow", JSON.stringify(flow));
  const challenge = base64url(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(flow.verifier)));
  const url = new URL(config.authorization_endpoint);
  url.search = new URLSearchParams({
    response_type: "code", client_id: clientID, redirect_uri: redirect, scope, state: flow.state, nonce: flow.nonce,
    aud: fhir, code_challenge: challenge, code_challenge_method: "S256",
  });
  location.assign(url);
}

// exchange redeems the code that the authorization endpoint sent us here with.
async function exchange(params) {
  const flow = JSON.parse(sessionStorage.getItem("flow") || "null");
  sessionStorage.removeItem("flow");
  history.replaceState(null, "", "/demo");
  if (!flow || params.get("state") !== flow.state) throw new Error("This answer belongs to no sign-in that was begun here.");
  if (params.get("error")) throw new Error(params.get("error") + ": " + (params.get("error_description") || "the sign-in was not completed"));
  const config = await configuration();
  const answer = await fetch(config.token_endpoint, {
    method: "POST",
    body: new URLSearchParams({ grant_type: "authorization_code", code: params.get("code"), redirect_uri: redirect, client_id: clientID, code_verifier: flow.verifier }),
  });
  const token = await answer.json();
  if (!answer.ok) throw new Error(token.error + ": " + token.error_description);
  return token;
}

async function get(token, path) {
  const answer = await fetch(fhir + "/" + path, { headers: { Authorization: "Bearer " + token.access_token, Accept: "application/fhir+json" } });
  const body = await answer.json();
  if (!answer.ok) throw new Error(answer.status + " " + (body.issue?.[0]?.diagnostics || body.issue?.[0]?.details?.text || ""));
  return body;
}

const text = (concept) => concept?.text || concept?.coding?.[0]?.display || concept?.coding?.[0]?.code || "";
const quantity = (q) => (q ? q.value + " " + (q.unit || q.code || "") : "");
const value = (o) => quantity(o.valueQuantity) || o.valueString || text(o.valueCodeableConcept) || (o.component || []).map((c) => quantity(c.valueQuantity)).join(" / ");
const when = (s) => (s ? new Date(s).toLocaleString() : "");

const lists = [
  ["Latest observations", "Observation", "_sort=-date&_count=8", (o) => [when(o.effectiveDateTime), text(o.code), value(o)]],
  ["Prescriptions", "MedicationRequest", "_count=8", (m) => [m.status, text(m.medicationCodeableConcept), m.dosageInstruction?.[0]?.text || ""]],
  ["Appointments", "Appointment", "_sort=-date&_count=5", (a) => [when(a.start), a.status, text(a.serviceType?.[0])]],
  ["Messages", "Communication", "_count=5", (c) => [when(c.sent), text(c.topic), c.payload?.[0]?.contentString || ""]],
];

function element(name, content) {
  const e = document.createElement(name);
  e.append(...[].concat(content));
  return e;
}

async function list(token, [title, type, query, row]) {
  const section = element("section", [element("h3", title)]);
  try {
    const bundle = await get(token, type + "?patient=" + encodeURIComponent(token.patient) + "&" + query);
    const rows = (bundle.entry || []).filter((e) => e.resource.resourceType === type).map((e) => element("tr", row(e.resource).map((cell) => element("td", String(cell || "")))));
    section.append(rows.length ? element("table", rows) : element("p", "Nothing that this app may see."));
  } catch (e) {
    section.append(element("p", "Not shown: " + e.message));
  }
  return section;
}

async function show(token) {
  $("start").hidden = true;
  $("record").hidden = false;
  $("token").textContent = JSON.stringify({ ...token, access_token: "…", refresh_token: token.refresh_token && "…", id_token: token.id_token && "…" }, null, 2);
  const context = { Patient: token.patient, "May do": token.scope, "Ends in": token.expires_in + " s" };
  $("context").replaceChildren(...Object.entries(context).flatMap(([k, v]) => [element("dt", k), element("dd", v || "–")]));
  $("again").onclick = () => launch($("scope").value);
  $("reveal").onclick = () => {
    $("shell").textContent = "TOKEN=" + token.access_token;
    $("shell").hidden = false;
  };
  $("forget").onclick = async () => {
    const config = await configuration();
    await fetch(config.revocation_endpoint, { method: "POST", body: new URLSearchParams({ token: token.refresh_token || token.access_token, client_id: clientID }) });
    location.assign("/demo");
  };
  if (!token.patient) return say("Signed in, with no patient in context.");
  try {
    const patient = await get(token, "Patient/" + token.patient);
    const name = patient.name?.[0] || {};
    $("name").textContent = name.text || [...(name.given || []), name.family].join(" ");
  } catch (e) {
    $("name").textContent = "Patient/" + token.patient;
    say(e.message, true);
  }
  $("lists").replaceChildren(...(await Promise.all(lists.map((l) => list(token, l)))));
}

async function main() {
  $("launch").onsubmit = (event) => {
    event.preventDefault();
    launch($("scope").value).catch((e) => say(e.message, true));
  };
  const params = new URLSearchParams(location.search);
  if (params.has("code") || params.has("error")) {
    say("Signing in …");
    const token = await exchange(params);
    say("");
    return show(token);
  }
  $("start").hidden = false;
}

main().catch((e) => {
  say(e.message, true);
  $("start").hidden = false;
});
