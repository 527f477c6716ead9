"""Accelerators that a vendor's command tells of: one provider for all such vendors, which differ by a `Tool`."""

import hashlib
import re
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from roundhouse_common.contracts.node import DeviceHealth, DeviceInfo, DeviceSample, DeviceVendor
from roundhouse_node_agent.devices.commands import Answer, Commands
from roundhouse_node_agent.devices.meter import Measurement, ProcessShare
from roundhouse_node_agent.devices.parsers.card import Card, merged
from roundhouse_node_agent.devices.parsers.figures import address_of
from roundhouse_node_agent.devices.pci import ACCELERATOR_CLASSES, PciBus, PciCard
from roundhouse_node_agent.devices.provider import Discovery

__all__ = ["Ask", "Share", "Tool", "ToolDevices", "host_mark", "info_of", "sample_of"]


class Ask(Protocol):
    """Runs the vendor's tool and returns what it printed. What goes wrong is kept, and never raised."""

    def __call__(self, *arguments: str, name: str = "", is_optional: bool = False) -> str:
        """`name` asks another of its tools, and nothing when that is not there. What fails of a question that is
        optional is told only when no device was found at all."""


@dataclass(frozen=True, slots=True)
class Share:
    """What a process holds of the device of this index."""

    index: int
    pid: int
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One vendor: how its hardware is recognised, which command tells of it, and how that is read."""

    vendor: DeviceVendor
    title: str
    """Its name in sentences."""
    pci_vendor: str
    """Empty where it is not known."""
    names: tuple[str, ...]
    """The command; any of them will do."""
    inventory: Callable[[Ask], Sequence[Card]]
    """Asked rarely: everything."""
    usage: Callable[[Ask], Sequence[Card]]
    """Asked every few seconds: what changes."""
    shares: Callable[[Ask], Sequence[Share]] | None = None
    pci_classes: tuple[str, ...] = ACCELERATOR_CLASSES
    is_own: Callable[[PciCard], bool] = lambda _card: True
    """Whether a card of the vendor's is one to run engines on."""
    device_files: str = ""
    """A pattern below /dev: hardware that PCI does not show, or whose vendor id is not known."""
    directories: tuple[str, ...] = ()
    """Where the driver puts the command, when not on PATH."""
    libraries: tuple[str, ...] = ()


class ToolDevices:
    """Both the provider and the meter of a vendor. `host` tells equal cards of two hosts apart."""

    def __init__(
        self,
        tool: Tool,
        commands: Commands,
        *,
        pci: PciBus,
        host: str,
        dev: Path = Path("/dev"),
        knows_pids: bool = False,
    ) -> None:
        self._tool = tool
        self._commands = commands
        self._pci = pci
        self._host = host
        self._dev = dev
        self._knows_pids = knows_pids
        self._known: dict[int, DeviceInfo] = {}

    @property
    def vendor(self) -> str:
        return self._tool.vendor.value

    def discover(self) -> Discovery:
        """Look once. Hosts without the vendor's hardware never run its command."""
        plugged = self._plugged()
        if not plugged:
            self._known = {}
            return Discovery()
        errors: list[str] = []
        minor: list[str] = []
        ask = self._asker(errors, minor, plugged[0])
        cards = _read(self._tool.inventory, ask, errors) if ask is not None else []
        errors += [] if cards else minor
        if not cards and not errors:
            errors.append(f"{self._named(plugged[0])}, but {self._tool.names[0]} tells of none")
        errors += self._not_listed(cards, plugged)
        marks = Counter(_place(card) for card in cards)
        devices = [
            info_of(card, self._tool.vendor, uuid=self._uuid(card, is_alone=marks[_place(card)] == 1)) for card in cards
        ]
        self._known = {device.index: device for device in devices}
        return Discovery(devices=tuple(devices), errors=tuple(f"{self.vendor}: {error}" for error in errors))

    def measure(self) -> Measurement:
        """Look once at what changes, of the devices that the last discovery found."""
        known = self._known
        ask = self._asker([], [], "") if known else None
        if ask is None:
            return Measurement()
        cards = _read(self._tool.usage, ask, [])
        shares = self._tool.shares(ask) if self._tool.shares is not None and self._knows_pids else ()
        return Measurement(
            devices=tuple(sample_of(card, known[card.index]) for card in cards if card.index in known),
            shares=tuple(
                ProcessShare(uuid=known[share.index].uuid, pid=share.pid, memory_bytes=share.memory_bytes)
                for share in shares
                if share.index in known
            ),
        )

    def _plugged(self) -> list[str]:
        """Return where the vendor's hardware is."""
        cards = self._pci.cards(self._tool.pci_vendor, self._tool.pci_classes) if self._tool.pci_vendor else ()
        if own := [card.address for card in cards if self._tool.is_own(card)]:
            return own
        if not self._tool.device_files:
            return []
        try:
            return sorted(str(path) for path in self._dev.glob(self._tool.device_files))
        except OSError:
            return []

    def _named(self, place: str) -> str:
        return f"a {self._tool.title} card is at {place}"

    def _asker(self, errors: list[str], minor: list[str], place: str) -> Ask | None:
        found = self._commands.find(self._tool.names, self._tool.directories)
        if found is None:
            names = " or ".join(self._tool.names)
            errors.append(f"{self._named(place)}, but {names} is not there: install the driver's tools")
            return None

        answers: dict[tuple[str, ...], Answer] = {}  # of one look: use and processes are often in one table

        def ask(*arguments: str, name: str = "", is_optional: bool = False) -> str:
            path = self._commands.find((name,), self._tool.directories) if name else found
            if path is None:
                return ""
            command = (path, *arguments)
            if command not in answers:
                answers[command] = self._commands.run(command, libraries=self._tool.libraries)
                if error := answers[command].error:
                    (minor if is_optional else errors).append(error)
            return answers[command].text

        return ask

    def _not_listed(self, cards: Sequence[Card], plugged: Sequence[str]) -> list[str]:
        """Return a sentence for each card on PCI that the tool left out, where it tells addresses at all."""
        told = {card.pci_address for card in cards}
        if not told or not all(told):
            return []
        missing = [place for place in plugged if address_of(place) and place not in told]
        return [f"{self._named(address)}, but {self._tool.names[0]} does not list it" for address in missing]

    def _uuid(self, card: Card, *, is_alone: bool) -> str:
        """Return its own, or one that lasts as long as it stays in its slot."""
        if card.uuid:
            return card.uuid
        place = _place(card) if is_alone else f"{_place(card)}-{card.index}"
        return f"{self.vendor}-{self._host}-{place}"


def _read(look: Callable[[Ask], Sequence[Card]], ask: Ask, errors: list[str]) -> list[Card]:
    """Read answers. A parser that fails on what nobody foresaw costs its vendor, not the agent."""
    try:
        return list(merged(look(ask)))
    except Exception as error:  # noqa: BLE001 - text of other people's programs
        errors.append(f"its tool's answer cannot be understood ({type(error).__name__}: {error})")
        return []


def _place(card: Card) -> str:
    return card.place or card.pci_address or f"card{card.index}"


def host_mark(machine_id: Path = Path("/etc/machine-id")) -> str:
    """Return a short text that lasts as long as the host's installation."""
    try:
        name = machine_id.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        name = ""
    return hashlib.sha256((name or socket.gethostname()).encode()).hexdigest()[:8]


def info_of(card: Card, vendor: DeviceVendor, *, uuid: str) -> DeviceInfo:
    """Return a card as it is reported: unknown memory is never free memory."""
    total, used = card.memory_total_bytes, card.memory_used_bytes
    if total is None:
        card = _noted(card, DeviceHealth.UNKNOWN, "how much memory it has is not told")
    elif used is None:
        card = _noted(card, DeviceHealth.UNKNOWN, "how much of its memory is free is not told")
    elif used > total:
        card = _noted(card, DeviceHealth.DEGRADED, f"it tells of {used} bytes used of {total}")
    return DeviceInfo(
        uuid=uuid,
        index=card.index,
        vendor=vendor,
        model=re.sub(r"\s+", " ", card.model or "").strip() or vendor.value,
        memory_total_bytes=total or 0,
        memory_free_bytes=max(0, total - used) if total is not None and used is not None else 0,
        health=card.health,
        health_detail=card.health_detail,
        physical_index=-1 if card.physical_index is None else card.physical_index,
        minor=-1 if card.minor is None else card.minor,
        pci_address=card.pci_address or "",
        driver=card.driver or "",
        parent_uuid=card.parent_uuid or "",
        is_memory_shared=card.is_memory_shared,
    )


def _noted(card: Card, health: DeviceHealth, words: str) -> Card:
    """Add words to what is wrong with a card; what is worse than this stays."""
    is_worse = card.health in (DeviceHealth.FAILED, DeviceHealth.DEGRADED)
    detail = f"{card.health_detail}; {words}" if card.health_detail else words
    return replace(card, health=card.health if is_worse else health, health_detail=detail)


def sample_of(card: Card, device: DeviceInfo) -> DeviceSample:
    """Return one look; a total that the usage does not tell is the inventory's."""
    return DeviceSample(
        uuid=device.uuid,
        utilization=_or_unknown(card.utilization),
        memory_used_bytes=-1 if card.memory_used_bytes is None else card.memory_used_bytes,
        memory_total_bytes=card.memory_total_bytes or device.memory_total_bytes or -1,
        temperature_c=_or_unknown(card.temperature_c),
        power_w=_or_unknown(card.power_w),
    )


def _or_unknown(figure: float | None) -> float:
    return -1.0 if figure is None else figure
