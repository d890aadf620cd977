"""Stand-ins for the services that shorten links: Bitly and Rebrandly."""
