// Run the app against a Signpost in demo mode: SIGNPOST_URL and SIGNPOST_KEY name it.
const test = require("node:test");
const assert = require("node:assert");
const zapier = require("zapier-platform-core");
const { validateAppDefinition } = require("zapier-platform-schema");
const { compileApp, serializeApp } = require("zapier-platform-core/src/tools/schema");
const App = require("../index");

const appTester = zapier.createAppTester(App);
const authData = { base_url: process.env.SIGNPOST_URL, api_key: process.env.SIGNPOST_KEY };
const { event, kind } = App.triggers;

test("the definition is what Zapier accepts", () => {
  assert.deepEqual(validateAppDefinition(serializeApp(compileApp(App))).errors, []);
});

test("the key is checked", async () => {
  await appTester(App.authentication.test, { authData });
  const wrong = { ...authData, api_key: "sp_test_wrong" };
  await assert.rejects(() => appTester(App.authentication.test, { authData: wrong }), /unknown/);
});

test("a Zap subscribes and unsubscribes", async () => {
  const inputData = { event: "sms_delivered" };
  const targetUrl = `${process.env.SIGNPOST_TARGET}`;
  const subscribed = await appTester(event.operation.performSubscribe, { authData, inputData, targetUrl });
  assert.match(subscribed.id, /^whk_/);
  const bundle = { authData, subscribeData: subscribed };
  const gone = await appTester(event.operation.performUnsubscribe, bundle);
  assert.deepEqual(gone, { id: subscribed.id, deleted: true });
});

test("samples have the shape of a webhook", async () => {
  const inputData = { event: "sms_delivered" };
  const [sample] = await appTester(event.operation.performList, { authData, inputData });
  assert.equal(sample.type, "sms_delivered");
  assert.ok(sample.id);
});

test("the menu lists every event", async () => {
  const kinds = await appTester(kind.operation.perform, { authData });
  assert.ok(kinds.some(({ id }) => id === "opted_out"));
});

test("an event is posted", async () => {
  const inputData = {
    type: "request.sent",
    request_id: "zap-1",
    title: "Lease",
    sender: "Acme",
    signer_id: "eric",
    signer_name: "Eric Smith",
    mobile_number: "+13175551234",
    signing_url: "https://sign.example/r/zap-1",
  };
  const created = await appTester(App.creates.send_event.operation.perform, { authData, inputData });
  assert.match(created.id, /^evt_/);
});
