# Everything a fresh Debian or Raspberry Pi OS needs: Python 3.11 to 3.13 with venv, make, and the package registries.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
PHOTOS ?=
QUICK  ?=
PASSES ?=
PEERS  ?=
FAULTS ?=
HOURS  ?= 24
TARGETS ?=
SEED   ?=
# Debian packages whose programs the tests drive; those that are missing are installed, which needs root or sudo once.
TOOLS        = mosquitto mosquitto-clients openssl procps gcc libc6-dev e2fsprogs mount strace util-linux
# What the device tests need besides: whole Debian trees, an RTSP server, a machine with a kernel of its own for USB.
DEVICE_TOOLS = mmdebstrap systemd-container dpkg-dev qemu-system-x86 gir1.2-gst-rtsp-server-1.0 python3-gst-1.0 python3-gi python3-numpy \
               gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly

# Where `make install` puts the agent; with DESTDIR it only lays the files down there, as for the image of a card.
PREFIX      ?= /opt/vin-agent
DESTDIR     ?=

.PHONY: demo test device device-cameras device-services tools lint bench accuracy passes chaos soak day fuzz audit deb install uninstall wheels \
        arm64 clean

demo: $(VENV)/demo.done  ## the main job on embedded defaults: three vehicles, a broker of its own, every event shown
	$(BIN)/vin-agent demo

test: tools $(VENV)/dev.done lint  ## types, style and every test, with the share of lines they run
	rm -f .coverage .coverage.*
	$(BIN)/python -m pytest --numprocesses=2 --dist=worksteal --cov --cov-report=term:skip-covered --cov-fail-under=90

device: tools $(VENV)/dev.done  ## camera stack, systemd and packages for real, in Debian trees: needs root
	@.ci/tools $(DEVICE_TOOLS)
	$(MAKE) --jobs=2 --output-sync=target device-cameras device-services

device-cameras:
	$(BIN)/python -m pytest tests/device/test_camera.py tests/device/test_rtsp.py tests/device/test_usb.py -q -s

# Mostly waits, for machines that boot and versions on trial: it runs beside the cameras.
device-services:
	$(BIN)/python -m pytest tests/device -q -s $(foreach part,camera rtsp usb,--ignore=tests/device/test_$(part).py)

tools:
	@.ci/tools $(TOOLS)

lint: $(VENV)/dev.done  ## types and style alone
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/dev.done  ## what the gate, store, link and processes cost; beside other readers: make bench PEERS=1 [PHOTOS=DIR]
	@$(if $(PEERS),.ci/tools tesseract-ocr)
	$(BIN)/python -m tests.bench$(if $(PEERS),.peers $(if $(PHOTOS),--photos "$(PHOTOS)"))

accuracy: $(VENV)/dev.done  ## finder and embedded reader against labelled photographs: make accuracy PHOTOS=DIR [PASSES=FILE] [QUICK=1]
	$(BIN)/python -m tests.bench.accuracy "$(PHOTOS)" $(if $(PASSES),--passes "$(PASSES)") $(if $(QUICK),--quick)

passes: $(VENV)/dev.done  ## what a yard gets: 1,000 rendered vehicles by day, night, rain, glare, speed and tilt, told by the agent itself
	$(BIN)/python -m tests.bench.passes

chaos: tools $(VENV)/dev.done  ## every fault, one line of figures each, and the table of the README: make chaos [FAULTS="R1 R9"], as root
	$(BIN)/python -m tests.chaos $(FAULTS)

soak: tools $(VENV)/dev.done  ## hours of all faults in turn, one line in the end: lost, what memory and open files do: make soak HOURS=168
	$(BIN)/python -m tests.chaos.soak $(HOURS)

day: $(VENV)/dev.done  ## a day at the gate in three minutes: 500 vehicles, two providers, faults of every kind, three kills
	$(BIN)/python -m tests.chaos.day

fuzz: $(VENV)/dev.done $(VENV)/fuzz.done  ## a million odd inputs for every parser: make fuzz [TARGETS="store video"] [SEED=2]; Linux, x86-64
	$(BIN)/python -m tests.fuzz $(TARGETS) $(if $(SEED),--seed $(SEED))

audit: build/audit/done  ## whether a flaw is known of any package of config/constraints.txt; needs a connection, and says where it has none
	$(PYTHON) -m tests.audit build/audit/bin/pip-audit

deb: build/tools/done  ## dist/vin-agent_<version>_<amd64, arm64>.deb, on any Debian machine
	build/tools/bin/python systemd/deb/build.py deb

install: build/tools/done  ## the same without a package, for this machine: sudo make install, then sudo vin-agent setup
	build/tools/bin/python systemd/deb/build.py install --destdir "$(DESTDIR)/" --prefix "$(PREFIX)"
	[ -n "$(DESTDIR)" ] || "$(PREFIX)/bin/switch"

uninstall:  ## takes the program away again; settings and vehicles stay
	-systemctl disable --now vin-agent.service
	rm -rf "$(PREFIX)" /usr/lib/systemd/system/vin-agent.service /usr/local/bin/vin-agent

wheels: $(VENV)/dev.done  ## whether a Raspberry Pi finds a wheel for everything in config/constraints.txt
	$(BIN)/python -m tests.device.wheels

arm64: $(VENV)/dev.done  ## the arm64 package installed and run under emulation: minutes, and root
	$(BIN)/python -m pytest tests/device/arm64.py -q -s

clean:  ## forget everything that was built
	rm -rf $(VENV) build dist .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Nothing but pip, of whatever Python is here: what it fetches is chosen by the machine that is built for.
build/tools/done:
	$(PYTHON) -m venv build/tools
	touch $@

# Of its own, because what it brings is pinned nowhere else.
build/audit/done:
	$(PYTHON) -m venv build/audit
	build/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1
	touch $@

# One virtual environment; each set of extras is installed once, at the versions pinned in config/constraints.txt.
$(VENV)/%.done: pyproject.toml config/constraints.txt
	@$(PYTHON) -c "import ensurepip, venv" || .ci/tools python3-venv
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint config/constraints.txt --editable ".[$*]"
	touch $@
