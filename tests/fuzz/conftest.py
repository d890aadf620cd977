from tests.stage import connection as connection
from tests.stage import hub_demo as hub_demo
