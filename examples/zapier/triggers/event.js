const url = (bundle, path) => `${bundle.authData.base_url}/api/v1${path}`;

/** Subscribe the address of a Zap to one type of event. */
const performSubscribe = async (z, bundle) => {
  const response = await z.request({
    url: url(bundle, "/webhook-endpoints"),
    method: "POST",
    body: {
      url: bundle.targetUrl,
      events: [bundle.inputData.event],
      description: "Zapier",
    },
  });
  // the secret is not stored: Zapier cannot verify signatures
  return { id: response.data.id };
};

const performUnsubscribe = async (z, bundle) => {
  const response = await z.request({
    url: url(bundle, `/webhook-endpoints/${bundle.subscribeData.id}`),
    method: "DELETE",
  });
  return response.data;
};

/** Return examples, for a Zap that has not received an event yet. */
const performList = async (z, bundle) => {
  const response = await z.request({
    url: url(bundle, "/webhook-events"),
    params: { events: bundle.inputData.event },
  });
  return response.data.webhook_events.map((kind) => kind.example);
};

module.exports = {
  key: "event",
  noun: "Event",
  display: {
    label: "Message Event",
    description: "Triggers when a message is delivered, fails, is read or is answered.",
  },
  operation: {
    type: "hook",
    inputFields: [
      { key: "event", label: "Event", required: true, dynamic: "kind.id.name" },
    ],
    performSubscribe,
    performUnsubscribe,
    performList,
    perform: (z, bundle) => [bundle.cleanedRequest],
    sample: {
      id: "pev_0199f3b2-5d1a-7c44-8a51-3f6f5d2c9b10",
      type: "sms_delivered",
      at: "2027-01-15T09:30:00.000Z",
      status: "delivered",
    },
  },
};
