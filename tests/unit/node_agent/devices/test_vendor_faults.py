"""What vendors share: none is told from failed, other hardware is let alone, faults are sentences."""

from dataclasses import replace
from pathlib import Path

import pytest

from roundhouse_common.runtime import SystemClock
from roundhouse_node_agent.devices.amd import AMD
from roundhouse_node_agent.devices.ascend import ASCEND
from roundhouse_node_agent.devices.cambricon import CAMBRICON
from roundhouse_node_agent.devices.commands import Commands
from roundhouse_node_agent.devices.intel import INTEL
from roundhouse_node_agent.devices.known import TOOLS
from roundhouse_node_agent.devices.metax import METAX
from roundhouse_node_agent.devices.meter import ProcessShare
from roundhouse_node_agent.devices.moore_threads import MOORE_THREADS
from roundhouse_node_agent.devices.nvidia_smi import NVIDIA_SMI
from roundhouse_node_agent.devices.parsers.card import Card
from roundhouse_node_agent.devices.pci import PciBus
from roundhouse_node_agent.devices.provider import Discovery
from roundhouse_node_agent.devices.tools import Ask, Tool, ToolDevices, host_mark
from tests.support.device_samples import DEVICE_SAMPLES, MIB
from tests.support.fake_pci import plug_in
from tests.support.scripted_commands import ScriptedCommands
from tests.support.vendor_devices import devices, found


@pytest.mark.contract("A08")
@pytest.mark.parametrize("tool", [tool for tool in TOOLS if tool.pci_vendor], ids=lambda tool: tool.vendor.value)
def test_none_is_told_from_failed(tmp_path: Path, tool: Tool) -> None:
    silent = ScriptedCommands({})
    absent = ToolDevices(tool, silent, pci=PciBus(tmp_path), host="host")
    assert absent.discover() == Discovery()
    plug_in(tmp_path, "0000:3c:00.0", vendor=tool.pci_vendor, pci_class=f"{tool.pci_classes[0][2:]}0000"[:6])
    names = " or ".join(tool.names)
    assert absent.discover().errors == (
        f"{tool.vendor.value}: a {tool.title} card is at 0000:3c:00.0, but {names} is not there:"
        " install the driver's tools",
    )
    assert silent.asked == []


@pytest.mark.parametrize("tool", [tool for tool in TOOLS if tool.pci_vendor], ids=lambda tool: tool.vendor.value)
def test_hosts_without_a_vendors_hardware_never_run_its_tool(tmp_path: Path, tool: Tool) -> None:
    commands = ScriptedCommands({tool.names[0]: "x"})
    known = ToolDevices(tool, commands, pci=PciBus(tmp_path), host="host")
    assert (known.discover(), known.measure().devices, commands.asked) == (Discovery(), (), [])


@pytest.mark.parametrize("tool", [tool for tool in TOOLS if tool.pci_vendor], ids=lambda tool: tool.vendor.value)
def test_a_tool_that_says_nothing_of_use_is_a_fault(tmp_path: Path, tool: Tool) -> None:
    plug_in(tmp_path, "0000:3c:00.0", vendor=tool.pci_vendor, pci_class=f"{tool.pci_classes[0][2:]}0000"[:6])
    for answers in ({tool.names[0]: "driver is not loaded"}, {f"{tool.names[0]} nothing-that-is-asked": ""}):
        discovery = ToolDevices(tool, ScriptedCommands(answers), pci=PciBus(tmp_path), host="host").discover()
        assert discovery.devices == ()
        assert discovery.errors


def test_a_card_that_the_tool_leaves_out_is_named(tmp_path: Path) -> None:
    addresses = ("0000:13:00.0", "0000:16:00.0", "0000:99:00.0")
    cards = devices(tmp_path, CAMBRICON, {"cnmon": "cnmon/table-mlu370-x8-x2-5.10.22.txt"}, *addresses)
    discovery = cards.discover()
    assert len(discovery.devices) == 2
    assert discovery.errors == ("cambricon: a Cambricon card is at 0000:99:00.0, but cnmon does not list it",)


def test_a_real_command_is_found_run_and_read(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "mthreads-gmi"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat '{DEVICE_SAMPLES / 'mthreads-gmi' / 'table-s80-1.14.0.txt'}'\n")
    program.chmod(0o755)
    plug_in(tmp_path / "pci", "0000:04:00.0", vendor="1ed5", pci_class="030000")
    commands = Commands(SystemClock(), search_path=f"{program.parent}:/bin:/usr/bin")
    cards = ToolDevices(MOORE_THREADS, commands, pci=PciBus(tmp_path / "pci"), host="host")
    assert found(cards.discover()) == [(0, "moore-threads-host-0000:04:00.0", "MTT S80", 16384, 16382)]
    assert cards.measure().devices[0].temperature_c == 49.0


def test_a_parser_that_fails_costs_its_vendor_only(tmp_path: Path) -> None:
    def fail(_ask: Ask) -> list[Card]:
        raise IndexError("list index out of range")

    tool = replace(METAX, inventory=fail)
    discovery = devices(tmp_path, tool, {"mx-smi": "x"}, "0000:3c:00.0").discover()
    assert discovery.errors == ("metax: its tool's answer cannot be understood (IndexError: list index out of range)",)


def test_pids_are_told_only_where_they_are_the_machines(tmp_path: Path) -> None:
    answers = {"npu-smi info": "npu-smi/info-910b2c-x2-23.0.2.1.txt"}
    own = devices(tmp_path / "machine", ASCEND, answers, "0000:5a:00.0", "0000:19:00.0")
    own.discover()
    expected = ProcessShare(uuid="ascend-host-0000:5a:00.0-0", pid=124528, memory_bytes=17400 * MIB)
    assert own.measure().shares == (expected,)
    box = devices(tmp_path / "container", ASCEND, answers, "0000:5a:00.0", "0000:19:00.0", knows_pids=False)
    box.discover()
    assert (len(box.measure().devices), box.measure().shares) == (2, ())


def test_a_hosts_mark_lasts_and_differs(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1234\n")
    (tmp_path / "b").write_text("1235\n")
    assert host_mark(tmp_path / "a") == host_mark(tmp_path / "a") != host_mark(tmp_path / "b")
    assert len(host_mark(tmp_path / "none")) == 8


def test_an_older_tool_that_does_not_know_an_optional_question_is_no_fault(tmp_path: Path) -> None:
    answers = {"mx-smi": "mx-smi/table-c500-2.2.4.txt", "mx-smi -L": "mx-smi/list-c550-2.3.1.txt"}
    discovery = devices(tmp_path, METAX, answers, "0000:2b:00.0").discover()
    assert (len(discovery.devices), discovery.errors) == (1, ())


def test_devices_that_share_a_place_have_names_of_their_own(tmp_path: Path) -> None:
    tool = replace(METAX, inventory=lambda _ask: [Card(index=index, pci_address="0000:3c:00.0") for index in (0, 1)])
    found = devices(tmp_path, tool, {"mx-smi": "x"}, "0000:3c:00.0").discover()
    assert [one.uuid for one in found.devices] == ["metax-host-0000:3c:00.0-0", "metax-host-0000:3c:00.0-1"]


@pytest.mark.parametrize(
    ("tool", "pci_class", "device_id"),
    [(INTEL, "0b4000", "4940"), (ASCEND, "120000", "a250"), (NVIDIA_SMI, "040300", "1")],
)
def test_other_parts_of_a_vendors_are_no_devices(tmp_path: Path, tool: Tool, pci_class: str, device_id: str) -> None:
    plug_in(tmp_path / "pci", "0000:75:00.0", vendor=tool.pci_vendor, pci_class=pci_class, device_id=device_id)
    assert devices(tmp_path, tool, {}).discover() == Discovery()


def test_a_processors_own_graphics_are_no_devices(tmp_path: Path) -> None:
    plug_in(tmp_path / "pci", "0000:c5:00.0", vendor="1002", pci_class="030000", video_memory_bytes=512 << 20)
    assert devices(tmp_path, AMD, {}).discover() == Discovery()
    plug_in(tmp_path / "pci", "0000:00:02.0", vendor="8086", pci_class="030000")
    assert devices(tmp_path, INTEL, {}).discover() == Discovery()


def test_the_display_of_an_ascend_hosts_controller_is_no_npu(tmp_path: Path) -> None:
    ascend = devices(tmp_path, ASCEND, {"npu-smi info": "x"}, "0000:03:00.0", pci_class="030000")
    assert ascend.discover() == Discovery()
