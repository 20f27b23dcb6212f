// Walks from a refusal to an authorised call, as a client of the official SDKs: node --input-type=module -e SCRIPT PACKAGE URL TOKEN.
// PACKAGE is sdk (@modelcontextprotocol/sdk) or client (@modelcontextprotocol/client). The token is given to it
// when it has found the authorization server. It prints what it has found and got as one JSON object.
const [name, url, token] = process.argv.slice(1);
const out = { calls: [] };

// follow reads the challenge of a refusal and the metadata that it names, with the functions of the package.
async function follow(response, lib) {
  const { resourceMetadataUrl, scope, error } = lib.extractWWWAuthenticateParams(response);
  out.status = response.status;
  out.scope = scope;
  out.error = error ?? null;
  out.metadata = String(resourceMetadataUrl);
  const resource = await lib.discoverOAuthProtectedResourceMetadata(url, { resourceMetadataUrl });
  out.resource = resource.resource;
  out.chosen = String(await lib.selectResourceURL(url, {}, resource));
  out.issuer = resource.authorization_servers[0];
  out.root = (await lib.discoverOAuthProtectedResourceMetadata(new URL('/', url))).resource;
}

let client, transport;
if (name === 'sdk') {
  const lib = await import('@modelcontextprotocol/sdk/client/auth.js');
  const { Client } = await import('@modelcontextprotocol/sdk/client/index.js');
  const { StreamableHTTPClientTransport } = await import('@modelcontextprotocol/sdk/client/streamableHttp.js');
  await follow(await fetch(url, { method: 'POST' }), lib);
  client = new Client({ name: 'test', version: '1' });
  transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: { Authorization: `Bearer ${token}` } } });
} else {
  const lib = await import('@modelcontextprotocol/client');
  let found; // the client asks for a token first, and is refused without one
  client = new lib.Client({ name: 'test', version: '1' });
  transport = new lib.StreamableHTTPClientTransport(new URL(url), {
    authProvider: {
      token: async () => found,
      onUnauthorized: async ({ response }) => {
        await follow(response, lib);
        found = token;
      },
    },
  });
}
await client.connect(transport);
out.tools = (await client.listTools()).tools.map((tool) => tool.name).sort();
const result = await client.callTool({ name: 'whoami', arguments: {} });
out.whoami = JSON.parse(result.content[0].text);
await client.close();
console.log(JSON.stringify(out));
