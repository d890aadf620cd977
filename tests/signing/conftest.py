"""Use the shared fixtures of a demo hub with connections to people and to teams."""

from __future__ import annotations

from tests.fake_provider import fake_provider as fake_provider
from tests.hub_fixtures import connection as connection
from tests.hub_fixtures import hub_demo as hub_demo
from tests.hub_fixtures import served as served
from tests.hub_fixtures import signing_app as signing_app
from tests.signing.ladder_steps import ladder as ladder
from tests.signing.story_steps import story as story
from tests.team_connections import connect_team as connect_team
