# Everything a developer types. The words after ## are what `make help` prints.

PYTHON_IN = .venv/bin/python
PACKAGE = pyproject.toml bin/install
LOCK = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	pyproject.toml --group build
# Tests that no database takes part in, and tests of how pages look and act: SQLite's run has them.
# On PostgreSQL, tests/groups.py also leaves out each test without a fixture of a database.
NO_DATABASE = tests/core tests/run/web_server tests/simulator \
	$(filter-out %/test_safe_text.py %/test_assets.py,$(wildcard tests/lib/test_*.py)) \
	$(filter-out %/test_contract.py,$(wildcard tests/integrations/test_*.py)) \
	tests/browser \
	$(foreach name,architecture cli docs whatsapp_story,tests/test_$(name).py) \
	$(foreach name,check_integration ports queue_server supervisor scaffold up,tests/run/test_$(name).py) \
	tests/webhooks/test_servers.py \
	$(foreach name,generated_client invalid_events,tests/api/test_$(name).py) \
	tests/app/test_request_checks.py \
	$(foreach name,startup_checks damaged_folders,tests/shared/test_$(name).py) \
	$(foreach name,receivers automation,tests/examples/test_$(name).py) \
	tests/admin/documentation \
	tests/handlers/test_limits.py \
	tests/evidence/test_verification.py \
	tests/endpoints/brokers/test_kafka_sign_in.py \
	$(foreach name,outages signing_app signing_apps voice_story,tests/test_$(name).py) \
	tests/handlers/test_files.py \
	tests/admin/auth/test_page_rate_limits.py \
	tests/admin/connections/test_setup_steps.py \
	$(foreach name,filters templates,tests/admin/view/test_$(name).py) \
	$(PAGES:%=tests/admin/%.py)
# tests of pages that execute no statement of their own: the tests that stay execute all of theirs
PAGES = \
	$(foreach name,page_limits page_secrets remedies rules_page status_address,connections/test_$(name)) \
	$(foreach name,opt_outs_page opted_out_people privacy_page unsubscribe,contacts/test_$(name)) \
	evidence/test_evidence_pages \
	$(foreach name,delivery_summary inbox,messages/test_$(name)) \
	$(foreach name,link_opens_page scheduled_events short_link_domain,requests/test_$(name)) \
	$(foreach name,branding_page link_shorteners,settings/test_$(name)) \
	$(foreach name,email_preview shared_addresses text_file_pages text_preview,texts/test_$(name)) \
	$(foreach name,error_summary navigation,view/test_$(name))
# more flags for the recipe's program: make test ARGS="tests/test_story.py -k delivered"
ARGS =
# tests share this many processes; half of their time is waiting. WORKERS=0 runs them in one
WORKERS = 5
PYTEST = -m pytest -n $(WORKERS)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run example test test-postgres test-long bench chaos fuzz check collect lint check-integration format types lock docs screenshots

help: ## list what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: .venv/.run ## start Signpost in demo mode: web, workers, queue and a stand-in for the providers
	@HUB_DEMO=1 exec .venv/bin/hub up

example: .venv/.run ## start the demo with an example signing app beside it, at http://127.0.0.1:8100
	@exec bin/example

test: .venv/.dev ## run all tests, in a real browser too; ARGS="-k word" picks some
	@CHROMIUM="$$(bin/chromium)" && MOSQUITTO="$$(bin/mosquitto)" && export CHROMIUM MOSQUITTO && exec $(PYTHON_IN) $(PYTEST) $(ARGS)

test-postgres: .venv/.dev ## run all tests that a database can matter to on a throw-away PostgreSQL server
	@CHROMIUM="$$(bin/chromium)" && MOSQUITTO="$$(bin/mosquitto)" && export CHROMIUM MOSQUITTO && exec $(PYTHON_IN) bin/with-postgres $(PYTHON_IN) $(PYTEST) $(NO_DATABASE:%=--ignore=%) $(ARGS)

test-long: .venv/.dev ## run the long form of the tests, then chaos and fuzz, an hour or more: before a release
	@CHROMIUM="$$(bin/chromium)" && MOSQUITTO="$$(bin/mosquitto)" && export CHROMIUM MOSQUITTO && HYPOTHESIS_PROFILE=long $(PYTHON_IN) $(PYTEST) $(ARGS)
	@HYPOTHESIS_PROFILE=long $(MAKE) --no-print-directory test-postgres PAGES=
	@$(MAKE) --no-print-directory chaos ARGS=
	@$(MAKE) --no-print-directory fuzz ARGS=

bench: .venv-bench/.bench ## measure the hub beside what people would use instead, 15 minutes; ARGS="--quick sending" tries one
	@exec .venv-bench/bin/python -m benchmarks $(ARGS)

chaos: .venv/.dev ## break things while messages flow, 12 minutes: nothing is lost or sent twice; ARGS="--only redis-flushed" tries one
	@LIBFAKETIME="$$(bin/libfaketime)" && export LIBFAKETIME && exec $(PYTHON_IN) -m tests.chaos $(ARGS)

fuzz: .venv/.dev ## throw hostile input at the API and the webhooks, 20 minutes; ARGS="webhooks --seconds 60" tries one
	@exec $(PYTHON_IN) -m tests.fuzz $(ARGS)

check: lint types test ## what a change must pass: lint, types, tests

collect: .venv/.dev ## import all tests without running them
	@$(PYTHON_IN) -m pytest --collect-only -qq >.venv/collected || { cat .venv/collected; exit 1; }

lint: .venv/.dev ## check form, likely mistakes, wording, templates and spelling
	@$(PYTHON_IN) -m ruff format --check --quiet . || { echo "Not formatted. Run: make format"; exit 1; }
	@$(PYTHON_IN) -m ruff check .
	@$(PYTHON_IN) bin/wording
	@.venv/bin/djlint --quiet --lint hub/templates
	@.venv/bin/codespell hub tests benchmarks migrations bin docs README.md CHANGELOG.md Makefile wsgi.py

check-integration: .venv/.dev ## run every check of one integration: make check-integration NAME=slack
	@$(PYTHON_IN) bin/check-integration $(NAME)

format: .venv/.dev ## bring the code into its form, 100 columns wide
	@$(PYTHON_IN) -m ruff format .

types: .venv/.dev ## check the types with mypy
	@$(PYTHON_IN) -m mypy

lock: .venv/.dev ## lock the requirements of pyproject.toml with hashes; ARGS=--upgrade takes newer ones
	$(LOCK) $(ARGS) -o requirements.txt
	$(LOCK) $(ARGS) --group dev -c requirements.txt -o requirements-dev.txt
	$(LOCK) $(ARGS) --group bench -c requirements.txt -o requirements-bench.txt

docs: .venv/.run ## write the tables of the documentation, and check its pages and links
	@$(PYTHON_IN) bin/docs

screenshots: .venv/.dev ## take the pictures of docs/screenshots with the browser tests
	@CHROMIUM="$$(CI=true bin/chromium)" && export CHROMIUM && HUB_SCREENSHOTS=docs/screenshots exec $(PYTHON_IN) -m pytest tests/browser/test_screenshots.py $(ARGS)

# what was installed stays installed: these files remember it
.venv/.run: requirements.txt $(PACKAGE)
	@bin/install requirements.txt
	@touch $@

.venv/.dev: requirements-dev.txt $(PACKAGE)
	@bin/install requirements-dev.txt
	@touch $@

.venv-bench/.bench: requirements-bench.txt $(PACKAGE)
	@VENV=.venv-bench bin/install requirements-bench.txt
	@touch $@
