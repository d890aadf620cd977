/** Post an event of a document. A repeated run of the same Zap posts it once. */
const perform = async (z, bundle) => {
  const input = bundle.inputData;
  const response = await z.request({
    url: `${bundle.authData.base_url}/api/v1/events`,
    method: "POST",
    headers: { "Idempotency-Key": `zapier-${input.request_id}-${input.type}-${input.signer_id}` },
    body: {
      type: input.type,
      occurred_at: new Date().toISOString(),
      request: { id: input.request_id, title: input.title, sender: { name: input.sender } },
      signers: [
        {
          id: input.signer_id,
          name: input.signer_name,
          mobile_number: input.mobile_number,
          signing_url: input.signing_url,
        },
      ],
    },
  });
  return { id: response.data.event.id, messages: response.data.messages.length };
};

module.exports = {
  key: "send_event",
  noun: "Event",
  display: {
    label: "Post Signing Event",
    description: "Notifies a signer of a document that waits for a signature.",
  },
  operation: {
    inputFields: [
      {
        key: "type",
        label: "Type",
        required: true,
        choices: ["request.sent", "request.reminder"],
        default: "request.sent",
      },
      { key: "request_id", label: "Request ID", required: true },
      { key: "title", label: "Document Title", required: true },
      { key: "sender", label: "Sender", required: true },
      { key: "signer_id", label: "Signer ID", required: true },
      { key: "signer_name", label: "Signer Name", required: true },
      { key: "mobile_number", label: "Mobile Number", required: true },
      { key: "signing_url", label: "Signing URL", required: true },
    ],
    perform,
    sample: { id: "evt_0199f3b2-5d1a-7c44-8a51-3f6f5d2c9b10", messages: 1 },
  },
};
