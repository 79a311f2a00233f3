// A strict relying party: openid-client checks the discovery document, state, iss (RFC 9207),
// nonce, PKCE, the id token's signature and claims, and the userinfo's subject. It prints the
// address for the browser, takes the answer at its own, and prints what it got.
import http from 'node:http'
import * as client from 'openid-client'

const { ISSUER, CLIENT_ID, CLIENT_SECRET, FHIR, SCOPE, AUTH, PORT } = process.env // descriptor 3 listens on the port
const timeout = 300 // seconds for an answer: machines may be slow
const say = (what) => process.stdout.write(JSON.stringify(what) + '\n')

const methods = { none: () => client.None(), basic: () => client.ClientSecretBasic(CLIENT_SECRET), post: () => client.ClientSecretPost(CLIENT_SECRET) }
const config = await client.discovery(new URL(ISSUER), CLIENT_ID, CLIENT_SECRET, methods[AUTH](), { execute: [client.allowInsecureRequests], timeout })

const server = http.createServer()
await new Promise((done) => server.listen({ fd: 3 }, done))
const redirect_uri = `http://127.0.0.1:${PORT}/callback`

const pkceCodeVerifier = client.randomPKCECodeVerifier()
const expectedNonce = client.randomNonce()
const expectedState = client.randomState()
say({
  go: client.buildAuthorizationUrl(config, {
    redirect_uri, scope: SCOPE, aud: FHIR, state: expectedState, nonce: expectedNonce, max_age: '3600',
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: 'S256',
  }).href,
})

const url = await new Promise((done) => {
  server.on('request', (req, res) => {
    res.setHeader('content-type', 'text/html')
    res.end('<link rel="icon" href="data:,"><p id="done">done</p>')
    const at = new URL(req.url, redirect_uri)
    if (at.pathname === '/callback') done(at)
  })
})

try {
  const checks = { pkceCodeVerifier, expectedNonce, expectedState, idTokenExpected: true, maxAge: 3600 }
  const tokens = await client.authorizationCodeGrant(config, url, checks)
  const claims = tokens.claims()
  const info = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
  const got = { claims, info, scope: tokens.scope, patient: tokens.patient }
  const read = async (token) => (await fetch(`${FHIR}/Patient/${tokens.patient}`, { headers: { authorization: `Bearer ${token}` } })).status
  got.read = await read(tokens.access_token)
  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
  got.refreshed = await read(refreshed.access_token)
  if (AUTH !== 'none') got.introspected = await client.tokenIntrospection(config, refreshed.access_token)
  await client.tokenRevocation(config, refreshed.refresh_token)
  got.revoked = await read(refreshed.access_token)
  say(got)
} catch (e) {
  say({ error: e.code || e.name, message: e.message, cause: e.cause?.message ?? e.cause })
}
server.close()
server.closeAllConnections()
