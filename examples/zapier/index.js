const zapier = require("zapier-platform-core");
const authentication = require("./authentication");
const event = require("./triggers/event");
const kinds = require("./triggers/kinds");
const sendEvent = require("./creates/send_event");

/** Send the API key with every request to Signpost. */
const addKey = (request, z, bundle) => {
  if (bundle.authData.api_key) {
    request.headers.Authorization = `Bearer ${bundle.authData.api_key}`;
  }
  return request;
};

/** Show the sentence of an error that Signpost returned. */
const explainErrors = (response, z) => {
  if (response.status >= 400) {
    const problem = response.json ?? {};
    throw new z.errors.Error(problem.detail ?? response.content, problem.code, response.status);
  }
  return response;
};

module.exports = {
  version: require("./package.json").version,
  platformVersion: zapier.version,
  authentication,
  beforeRequest: [addKey],
  afterResponse: [explainErrors],
  triggers: { [event.key]: event, [kinds.key]: kinds },
  creates: { [sendEvent.key]: sendEvent },
};
