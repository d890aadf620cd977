from tests.hub_fixtures import connection as connection
from tests.hub_fixtures import hub_demo as hub_demo
