"""The OPC UA source against a real node-opcua server, through a proxy that breaks the link on purpose."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from gateway.ports import Resume
from tests.counterparts.certificates import make_identity
from tests.counterparts.node_opcua import NodeOpcua
from tests.counterparts.tcp_proxy import TcpProxy
from tests.fakes.inlet import FakeInlet
from tests.integration.opcua_plant import (
    address,
    counted,
    doubled,
    lost,
    make_plan,
    number,
    open_link,
    running,
    secure_link,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

RAMPS = [{"name": "A", "index": 1, "period_ms": 50}, {"name": "B", "index": 2, "period_ms": 70}]
VARIABLES = [{"name": "A", "history": True}, {"name": "B", "history": True}]


async def test_di_02_values_of_a_secured_session_arrive_in_order_and_are_acknowledged(tmp_path: Path) -> None:
    with NodeOpcua(tmp_path, VARIABLES, ramps=RAMPS) as server:
        inlet = FakeInlet()
        async with running(secure_link(server.url, server.identity), make_plan(["A", "B"]), inlet) as source:
            await inlet.until_values(60)
            assert source.state == "recording"
        ks = counted(inlet, "A")
        assert ks == sorted(set(ks))
        assert not lost(ks)
        assert inlet.samples[0].flags == ("initial",)
        assert not [fact for fact in inlet.facts if fact.kind.startswith("gap")]


@pytest.mark.parametrize("seconds", [1, pytest.param(5, marks=pytest.mark.fault)])
async def test_di_19_fault_01_cut_loses_nothing(tmp_path: Path, seconds: float) -> None:
    with NodeOpcua(tmp_path, VARIABLES, ramps=RAMPS) as server:
        async with TcpProxy(server.port) as proxy:
            inlet = FakeInlet()
            link = secure_link(f"opc.tcp://127.0.0.1:{proxy.port}", server.identity)
            async with running(link, make_plan(["A", "B"]), inlet):
                await inlet.until_values(40)
                proxy.cut()
                await asyncio.sleep(seconds)
                proxy.mend()
                before = len(inlet.samples)
                await inlet.until(lambda one: len(one.samples) >= before + 40 + 30 * seconds)
            for name, index in (("A", 1), ("B", 2)):
                ks = counted(inlet, name, index)
                assert not lost(ks)
                assert not doubled(ks)
            assert not [fact for fact in inlet.facts if fact.kind.startswith("gap")]
            assert {parcel.incarnation for parcel in inlet.parcels if parcel.samples} == {1}


@pytest.mark.fault
async def test_di_19_fault_01_cut_of_15_s_is_a_link_down_gap_that_closes_full(tmp_path: Path) -> None:
    with NodeOpcua(tmp_path, VARIABLES, ramps=RAMPS) as server:
        async with TcpProxy(server.port) as proxy:
            inlet = FakeInlet()
            link = secure_link(f"opc.tcp://127.0.0.1:{proxy.port}", server.identity)
            async with running(link, make_plan(["A", "B"]), inlet):
                await inlet.until_values(40)
                proxy.cut()
                opened = await inlet.until_fact("gap_opened", "link_down", 15)
                proxy.mend()
                closed = await inlet.until_fact("gap_closed", "link_down", 40)
                before = len(inlet.samples)
                await inlet.until_values(before + 40)
            assert opened.certainty == "possible"
            assert (closed.recovery, closed.missing) == ("full", 0)
            assert not lost(counted(inlet, "A"))


@pytest.mark.fault
async def test_di_19_fault_02_half_open_is_seen_by_silence_and_loses_nothing(tmp_path: Path) -> None:
    with NodeOpcua(tmp_path, VARIABLES, ramps=RAMPS) as server:
        async with TcpProxy(server.port) as proxy:
            inlet = FakeInlet()
            link = secure_link(f"opc.tcp://127.0.0.1:{proxy.port}", server.identity)
            async with running(link, make_plan(["A", "B"]), inlet):
                await inlet.until_values(40)
                proxy.black_hole()
                await inlet.until_fact("link", "lost", 12)
                proxy.cut()
                proxy.mend()
                before = len(inlet.samples)
                await inlet.until_values(before + 150, 40)
            ks = counted(inlet, "A")
            assert not lost(ks)
            assert not doubled(ks)


@pytest.mark.fault
async def test_di_19_fault_06_server_killed_is_a_gap_and_history_fills_what_it_kept(tmp_path: Path) -> None:
    with NodeOpcua(tmp_path, VARIABLES, ramps=RAMPS) as server:
        inlet = FakeInlet()
        plan = make_plan(["A", "B"], history=True)
        async with running(secure_link(server.url, server.identity), plan, inlet):
            await inlet.until_values(60)
            server.kill()
            await asyncio.sleep(0.5)
            server.start()
            opened = await inlet.until_fact("gap_opened", "server_restart", 40)
            closed = await inlet.until_fact("gap_closed", "server_restart", 40)
            before = len(inlet.samples)
            await inlet.until_values(before + 40)
        ks = counted(inlet, "A")
        assert not lost(ks)
        assert not doubled(ks)
        assert closed.key == opened.key
        assert closed.recovery == "full"
        assert closed.recovered == len([s for s in inlet.samples if s.provenance == "historical"])
        order = [fact.kind for fact in inlet.facts if fact.key == opened.key]
        assert order == ["gap_opened", "gap_bounded", "gap_closed"]
        assert {parcel.incarnation for parcel in inlet.parcels if parcel.samples} == {1, 2}


async def test_di_19_fault_05_deleted_subscription_is_a_gap_filled_by_history(tmp_path: Path) -> None:
    with NodeOpcua(tmp_path, VARIABLES, ramps=RAMPS) as server:
        inlet = FakeInlet()
        async with running(secure_link(server.url, server.identity), make_plan(["A", "B"], history=True), inlet):
            await inlet.until_values(60)
            server.order("delete_subscriptions")
            closed = await inlet.until_fact("gap_closed", "subscription_lost", 40)
            before = len(inlet.samples)
            await inlet.until_values(before + 40)
        assert closed.recovery == "full"
        ks = counted(inlet, "A")
        assert not lost(ks)
        assert not doubled(ks)


@pytest.mark.fault
async def test_di_19_fault_03_session_expired_while_away_is_transferred(tmp_path: Path) -> None:
    with NodeOpcua(tmp_path, VARIABLES, ramps=RAMPS) as server:
        async with TcpProxy(server.port) as proxy:
            inlet = FakeInlet()
            link = secure_link(f"opc.tcp://127.0.0.1:{proxy.port}", server.identity)
            async with running(link, make_plan(["A", "B"]), inlet):
                await inlet.until_values(60)
                proxy.cut()
                await inlet.until_fact("link", "lost")
                server.order("close_sessions", subscriptions=False)
                proxy.mend()
                before = len(inlet.samples)
                await inlet.until_values(before + 150, 40)
            ks = counted(inlet, "A")
            assert not lost(ks)
            assert not doubled(ks)
            assert [fact.detail["step"] for fact in inlet.facts if fact.cause == "connected"] == [3, 2]
            assert not [fact for fact in inlet.facts if fact.kind == "gap_opened"]


@pytest.mark.fault
async def test_di_19_fault_05_subscription_taken_by_another_is_a_gap_and_a_notice(tmp_path: Path) -> None:
    with NodeOpcua(tmp_path, VARIABLES, ramps=RAMPS) as server:
        inlet = FakeInlet()
        async with running(secure_link(server.url, server.identity), make_plan(["A", "B"], history=True), inlet):
            await inlet.until_values(60)
            server.order("close_sessions", subscriptions=False)  # the server moves them away and says so
            await inlet.until_fact("link", "taken_by_another_client")
            closed = await inlet.until_fact("gap_closed", "subscription_lost", 40)
        assert closed.recovery == "full"
        assert not lost(counted(inlet, "A"))


@pytest.mark.fault
async def test_di_19_fault_07_killed_before_the_acknowledgement_loses_nothing(tmp_path: Path) -> None:
    with NodeOpcua(tmp_path, VARIABLES, ramps=RAMPS) as server:
        link = secure_link(server.url, server.identity, session_file=tmp_path / "line1.session")
        plan = make_plan(["A", "B"])
        first = FakeInlet(settle_at_once=False)
        async with running(link, plan, first):
            async with asyncio.timeout(20):
                while len(counted(first, "A")) < 10:
                    first.commit()
                    await asyncio.sleep(0.1)
            while len(first.waiting) < 3:  # offered, never committed: this process dies with them
                await asyncio.sleep(0.05)
        committed = [sample for parcel in first.committed for sample in parcel.samples]
        newest = first.committed[-1]
        second = FakeInlet(
            resume_with=Resume(incarnation=newest.incarnation, epoch=newest.epoch, position=newest.position)
        )
        async with running(link, plan, second):
            await second.until_values(60, 40)
        joined = FakeInlet()
        joined.parcels = [*first.committed, *second.parcels]
        ks = counted(joined, "A")
        assert committed
        assert not lost(ks)
        assert not doubled(ks)
        assert [fact.detail["step"] for fact in second.facts if fact.cause == "connected"] == [1]
        assert not [fact for fact in second.facts if fact.kind == "gap_opened"]
        assert (tmp_path / "line1.session").stat().st_mode & 0o777 == 0o600


@pytest.mark.fault
async def test_di_19_fault_07_without_its_session_file_a_restart_is_a_gap_filled_by_history(tmp_path: Path) -> None:
    with NodeOpcua(tmp_path, VARIABLES, ramps=RAMPS) as server:
        link = secure_link(server.url, server.identity)
        plan = make_plan(["A", "B"], history=True)
        first = FakeInlet()
        async with running(link, plan, first):
            await first.until_values(40)
        newest = {sample.address: sample.source_ns or 0 for sample in first.samples}
        resume = Resume(incarnation=1, epoch=1, position=first.parcels[-1].position, source_ns=newest)
        second = FakeInlet(resume_with=resume)
        await asyncio.sleep(1)
        async with running(link, plan, second, restart_cause="gateway_crashed"):
            closed = await second.until_fact("gap_closed", "gateway_crashed", 40)
        assert closed.recovery == "full"
        joined = FakeInlet()
        joined.parcels = [*first.parcels, *second.parcels]
        assert not lost(counted(joined, "A"))


async def test_di_19_fault_09_queue_overflow_is_a_gap_before_the_value(tmp_path: Path) -> None:
    with NodeOpcua(tmp_path, VARIABLES, ramps=RAMPS) as server:
        inlet = FakeInlet()
        plan = make_plan(["A"], publishing_ms=1000, queue=4)
        async with running(secure_link(server.url, server.identity), plan, inlet):
            opened = await inlet.until_fact("gap_opened", "server_queue_overflow", times=2)
            await inlet.until_fact("gap_bounded", "server_queue_overflow", times=2)
            closed = await inlet.until_fact("gap_closed", "server_queue_overflow", times=2)
        assert opened.addresses == (address("A"),)
        assert (closed.key, closed.recovery) == (opened.key, "none")
        parcel = next(one for one in inlet.parcels if opened in one.facts)
        assert "overflow" in parcel.samples[0].flags
        assert (parcel.samples[0].status or 0) & 0x480 == 0x480
        ks = counted(inlet, "A")
        edges = [k for k, after in pairwise(ks) if after != k + 1]
        gaps = [fact for fact in inlet.facts if fact.kind == "gap_opened"]
        assert len(edges) == len(gaps)


async def test_di_19_fault_09_what_overflowed_comes_back_by_history(tmp_path: Path) -> None:
    with NodeOpcua(tmp_path, VARIABLES, ramps=RAMPS) as server:
        inlet = FakeInlet()
        plan = make_plan(["A"], publishing_ms=1000, queue=4, history=True)
        async with running(secure_link(server.url, server.identity), plan, inlet):
            closed = await inlet.until_fact("gap_closed", "server_queue_overflow", times=3)
        assert closed.recovery == "full"
        ks = sorted(counted(inlet, "A"))
        whole = [k for k in ks if k <= ks[-1] - 30]
        assert not lost(whole)
        assert not doubled(whole)


async def test_di_02_one_missing_node_is_a_gap_and_the_others_go_on(tmp_path: Path) -> None:
    with NodeOpcua(tmp_path, VARIABLES, ramps=RAMPS) as server:
        inlet = FakeInlet()
        plan = make_plan(["A", "Later", "B"])
        async with running(secure_link(server.url, server.identity), plan, inlet, item_retry_s=1.0):
            opened = await inlet.until_fact("gap_opened", "node_missing")
            await inlet.until_values(30)
            server.order("add", name="Later", value=1.5)
            bounded = await inlet.until_fact("gap_bounded", "node_missing")
            closed = await inlet.until_fact("gap_closed", "node_missing")
        assert opened.addresses == (address("Later"),)
        assert opened.key == bounded.key == closed.key
        assert counted(inlet, "A")
        assert number(next(s for s in inlet.samples if s.address == address("Later")).raw.value) == 1.5


async def test_di_01_nan_infinity_null_and_wide_integers_arrive_bit_by_bit(tmp_path: Path) -> None:
    variables = [{"name": "V", "value": 0}, {"name": "I", "type": "Int64", "value": "0"}]
    with NodeOpcua(tmp_path, variables) as server:
        inlet = FakeInlet()
        async with running(open_link(server.url), make_plan(["V", "I"], sampling_ms=0), inlet):
            await inlet.until_values(2)
            for count, value in enumerate(["NaN", "Infinity", "-Infinity", "-0"], 3):
                server.put("V", value)
                await inlet.until_values(count)
            server.put("V", 1.5, status=0x80340000)
            await inlet.until_values(7)
            server.put("I", "9007199254740993", "Int64")
            await inlet.until_values(8)
        texts = inlet.values()[2:]
        assert texts[0][:3] in {"7ff", "fff"}
        assert number(texts[0]) != number(texts[0])
        assert texts[1:4] == ["7ff0000000000000", "fff0000000000000", "8000000000000000"]
        assert inlet.samples[6].status == 0x80340000
        assert inlet.samples[7].raw == ("i64", "9007199254740993")


@pytest.mark.slow
async def test_di_02_trap_shifted_namespace_reads_the_same_sensor(tmp_path: Path) -> None:
    with NodeOpcua(tmp_path, VARIABLES, ramps=RAMPS) as server:
        inlet = FakeInlet()
        async with running(secure_link(server.url, server.identity), make_plan(["A", "B"]), inlet):
            await inlet.until_values(30)
            server.kill()
            server.settings["before"] = ["urn:somebody:else", "urn:another"]
            server.start()
            await inlet.until_fact("gap_opened", "server_restart", 40)
            before = len(inlet.samples)
            await inlet.until_values(before + 40, 40)
        late = [sample for sample in inlet.samples[before:] if sample.address == address("A")]
        assert late
        assert all(1e9 <= number(sample.raw.value) < 2e9 for sample in late)


@pytest.mark.fault
async def test_di_19_fault_18_answers_after_2_s_reconnect_nothing(tmp_path: Path) -> None:
    with NodeOpcua(tmp_path, VARIABLES, ramps=RAMPS) as server:
        async with TcpProxy(server.port) as proxy:
            inlet = FakeInlet()
            link = secure_link(f"opc.tcp://127.0.0.1:{proxy.port}", server.identity)
            async with running(link, make_plan(["A", "B"]), inlet):
                await inlet.until_values(20)
                proxy.delay_s = 2.0
                await asyncio.sleep(8)
                proxy.delay_s = 0.0
                before = len(inlet.samples)
                await inlet.until_values(before + 60, 40)
            assert proxy.connections == 1
            assert not lost(counted(inlet, "A"))


@pytest.mark.slow
async def test_di_19_a_full_intake_stops_the_requests_and_loses_nothing(tmp_path: Path) -> None:
    with NodeOpcua(tmp_path, VARIABLES, ramps=RAMPS) as server:
        inlet = FakeInlet(settle_at_once=False)
        async with running(secure_link(server.url, server.identity), make_plan(["A", "B"]), inlet) as source:
            await inlet.until(lambda one: len([p for p in one.waiting if p.samples]) >= 8)
            await asyncio.sleep(8)
            assert len([p for p in inlet.waiting if p.samples]) == 8
            assert source.state == "recording"
            inlet.settle_at_once = True
            inlet.commit()
            before = len(inlet.samples)
            await inlet.until_values(before + 200, 40)
        ks = counted(inlet, "A")
        assert not lost(ks)
        assert not doubled(ks)


async def test_ac_08_another_certificate_than_the_pinned_one_is_never_trusted(tmp_path: Path) -> None:
    with NodeOpcua(tmp_path, VARIABLES) as server:
        inlet = FakeInlet()
        async with running(
            secure_link(server.url, make_identity("urn:counterpart:node-opcua")), make_plan(["A"]), inlet
        ):
            await asyncio.sleep(5)
        assert not inlet.samples
        assert server.order("sessions")["count"] == 0


@pytest.mark.fault
async def test_di_19_fault_14_a_wrong_password_is_tried_again_after_a_minute_only(tmp_path: Path) -> None:
    with NodeOpcua(tmp_path, VARIABLES) as server:
        async with TcpProxy(server.port) as proxy:
            inlet = FakeInlet()
            link = secure_link(f"opc.tcp://127.0.0.1:{proxy.port}", server.identity, password="wrong")
            async with running(link, make_plan(["A"]), inlet):
                await asyncio.sleep(6)
            assert proxy.connections == 1
        assert not inlet.samples


@pytest.mark.parametrize("policy", ["Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"])
@pytest.mark.parametrize("mode", ["Sign", "SignAndEncrypt"])
async def test_ac_08_each_policy_and_mode_records(tmp_path: Path, policy: str, mode: str) -> None:
    with NodeOpcua(tmp_path, VARIABLES, ramps=RAMPS) as server:
        inlet = FakeInlet()
        link = secure_link(server.url, server.identity, policy=policy, mode=mode)
        async with running(link, make_plan(["A"]), inlet):
            await inlet.until_values(5)
        assert counted(inlet, "A")
