"""Decoders come back, are found again, and what waits is bounded."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from marey.video.decode.pool import DecoderPool


def test_a_decoder_is_found_again_by_its_parameter_sets():
    with DecoderPool() as pool:
        with pool.decoder(b"one") as first:
            pass
        with pool.decoder(b"two") as other, pool.decoder(b"one") as again:
            assert other is not first
            assert again is first


def test_two_workers_never_share_one():
    with DecoderPool() as pool, pool.decoder(b"") as first, pool.decoder(b"") as second:
        assert first is not second


def test_a_decoder_comes_back_after_an_error():
    lent = []

    def fail(pool):
        with pool.decoder(b"") as decoder:
            lent.append(decoder)
            raise KeyError

    with DecoderPool() as pool:
        with pytest.raises(KeyError):
            fail(pool)
        with pool.decoder(b"") as again:
            assert lent == [again]


def test_the_oldest_goes_when_there_is_no_room():
    with DecoderPool() as pool, pool.decoder(b"") as decoder:
        one = decoder.idle_bytes
    with DecoderPool(lent=1, spare_bytes=one) as pool:
        lent = {}
        for name in (b"a", b"b", b"c"):
            with pool.decoder(name) as lent[name]:
                pass
            assert pool.spare_bytes == one * min(1, len(lent) - 1)
        with pool.decoder(b"c") as c, pool.decoder(b"b") as b, pool.decoder(b"a") as a:
            assert c is lent[b"c"]
            assert b is lent[b"b"]
            assert a is not lent[b"a"]


def test_as_many_as_are_lent_at_one_time_wait_whatever_they_hold():
    with DecoderPool(lent=2, spare_bytes=0) as pool:
        with pool.decoder(b"a") as a, pool.decoder(b"b") as b:
            pass
        assert pool.spare_bytes == 0
        with pool.decoder(b"a") as first, pool.decoder(b"b") as second:
            assert first is a
            assert second is b
        with pool.decoder(b"c") as c:
            pass
        with pool.decoder(b"c") as again:
            assert again is c


def test_a_closed_pool_keeps_nothing():
    pool = DecoderPool()
    with pool.decoder(b"") as first:
        pool.close()
    with pool.decoder(b"") as second:
        assert second is not first


def test_a_used_decoder_counts_its_pictures(run_of, planes_of):
    with DecoderPool() as pool:
        made = run_of("default")
        planes_of(made, pool)
        with pool.decoder(made.run.extradata) as used, pool.decoder(b"") as fresh:
            assert used.idle_bytes - fresh.idle_bytes >= 160 * 96 * 1.5 * 16


def test_many_threads_decode_the_same_streams(run_of, planes_of, true_planes, decoders):
    names = ["default", "open_gop", "ten_bits", "mbaff"] * 4
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda name: planes_of(run_of(name), decoders), names))
    assert found == [true_planes(name) for name in names]
