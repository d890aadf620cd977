/** List the types of events, for the menu of the trigger. */
const perform = async (z, bundle) => {
  const response = await z.request({
    url: `${bundle.authData.base_url}/api/v1/webhook-events`,
  });
  return response.data.webhook_events.map((kind) => ({
    id: kind.type,
    name: `${kind.type}: ${kind.meaning}`,
  }));
};

module.exports = {
  key: "kind",
  noun: "Event Type",
  display: {
    label: "List of Event Types",
    description: "Lists the types of events for the menu of the trigger.",
    hidden: true,
  },
  operation: {
    perform,
    sample: { id: "sms_delivered", name: "sms_delivered" },
  },
};
