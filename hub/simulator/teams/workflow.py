"""The one workflow of the simulated Teams that succeeds. Its URL is its credential."""

from __future__ import annotations

from hub.core.data_dir import SimulatorCredentials

PATH = "/powerautomate/automations/direct/workflows/{}/triggers/manual/paths/invoke"
CHANNEL = "Signing"


class Workflow:
    """A workflow whose URL is derived from the simulator's credentials."""

    def __init__(self, credentials: SimulatorCredentials) -> None:
        derive = credentials.derive
        self.id = derive("teams workflow", 32)
        self.sig = derive("teams sig", 43)
        environment = derive("teams environment", 32)
        region = derive("teams region", 2)
        self.host = f"{environment}.{region}.environment.api.powerplatform.com"

    @property
    def url(self) -> str:
        query = f"api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={self.sig}"
        return f"https://{self.host}:443{PATH.format(self.id)}?{query}"
