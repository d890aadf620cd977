module.exports = {
  type: "custom",
  fields: [
    {
      key: "base_url",
      label: "Signpost URL",
      required: true,
      helpText: "The address of your Signpost, such as https://signpost.example.",
    },
    {
      key: "api_key",
      label: "API key",
      required: true,
      type: "password",
      helpText:
        "Create a key under Settings, API keys, with the scopes `webhooks:manage` and `events:write`.",
    },
  ],
  test: { url: "{{bundle.authData.base_url}}/api/v1/webhook-endpoints" },
  connectionLabel: "{{bundle.authData.base_url}}",
};
