"""Cards are found by vendor and class in sysfs, before any tool is run."""

from pathlib import Path

from roundhouse_node_agent.devices.pci import PciBus, PciCard
from tests.support.fake_pci import plug_in


def test_cards_are_found_by_vendor_and_class(tmp_path: Path) -> None:
    plug_in(tmp_path, "0000:3C:00.0", vendor="9999", pci_class="038000")
    plug_in(tmp_path, "0000:08:00.0", vendor="9999", pci_class="120000")
    plug_in(tmp_path, "0000:09:00.0", vendor="9999", pci_class="020000")
    plug_in(tmp_path, "0000:0a:00.0", vendor="10de", pci_class="030200")
    assert [card.address for card in PciBus(tmp_path).cards("9999")] == ["0000:08:00.0", "0000:3c:00.0"]
    assert [card.address for card in PciBus(tmp_path).cards("9999", ("0x12",))] == ["0000:08:00.0"]


def test_the_kernel_tells_the_memory_of_some(tmp_path: Path) -> None:
    plug_in(tmp_path, "0000:c5:00.0", vendor="1002", pci_class="030000", video_memory_bytes=512 << 20)
    expected = PciCard(address="0000:c5:00.0", pci_class="0x030000", device_id="0x1234", video_memory_bytes=512 << 20)
    assert PciBus(tmp_path).cards("1002") == (expected,)


def test_a_machine_without_pci_or_with_odd_entries_has_no_cards(tmp_path: Path) -> None:
    assert PciBus(tmp_path / "none").cards("10de") == ()
    (tmp_path / "0000:00:01.0").mkdir()
    (tmp_path / "stray").write_text("")
    assert PciBus(tmp_path).cards("10de") == ()
