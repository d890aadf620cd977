"""Pages of webhook endpoints: the list, one endpoint, its deliveries and the event catalog."""
