"""Keys by content, and a cache that stays within its bytes."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_samples import noise

from inference.errors import MediaError
from inference.media import cache as cache_module
from inference.media.cache import ByteBoundedCache, content_key
from inference.media.image import ImageFeatures, image_features


def array(size: int) -> np.ndarray:
    return np.zeros(size, np.uint8)


def test_the_longest_unused_goes_first() -> None:
    cache: ByteBoundedCache[np.ndarray] = ByteBoundedCache(100)
    for key in "abc":
        cache.put(key, array(30))
    assert cache.get("a") is not None
    cache.put("d", array(30))
    assert [key for key in "abcd" if cache.get(key) is not None] == ["a", "c", "d"]
    assert cache.nbytes == 90


def test_what_is_too_large_is_not_kept_and_pushes_nothing_out() -> None:
    cache: ByteBoundedCache[np.ndarray] = ByteBoundedCache(100)
    cache.put("a", array(60))
    cache.put("b", array(101))
    assert (cache.get("b"), cache.nbytes, len(cache)) == (None, 60, 1)
    cache.put("a", array(101))
    assert (cache.get("a"), cache.nbytes) == (None, 0)


@settings(max_examples=100, deadline=None, database=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 120))))
def test_never_more_than_allowed(puts: list[tuple[int, int]]) -> None:
    cache: ByteBoundedCache[np.ndarray] = ByteBoundedCache(100)
    for key, size in puts:
        cache.put(key, array(size))
        assert cache.nbytes <= 100
        held = [cache.get(each) for each in range(10)]
        assert cache.nbytes == sum(value.nbytes for value in held if value is not None)
        assert len(cache) == sum(value is not None for value in held)
        if size <= 100:
            assert cache.get(key) is not None


def test_features_are_made_once() -> None:
    cache: ByteBoundedCache[ImageFeatures] = ByteBoundedCache(10**8)
    pixels, made = noise(40, 60), []

    def make() -> ImageFeatures:
        made.append(1)
        return image_features(pixels, 70)

    first = cache.get_or_make((content_key(pixels), 70), make)
    assert cache.get_or_make((content_key(pixels.copy()), 70), make) is first
    assert len(made) == 1
    assert cache.nbytes == first.nbytes == first.pixel_values.nbytes + first.position_ids.nbytes
    cache.clear()
    assert (cache.nbytes, len(cache)) == (0, 0)


def test_errors_are_passed_on_and_not_kept() -> None:
    cache: ByteBoundedCache[np.ndarray] = ByteBoundedCache(100)

    def fail() -> np.ndarray:
        raise MediaError("damaged")

    with pytest.raises(MediaError, match="damaged"):
        cache.get_or_make("a", fail)
    assert cache.get_or_make("a", lambda: array(1)).nbytes == 1


def test_many_threads() -> None:
    cache: ByteBoundedCache[np.ndarray] = ByteBoundedCache(500)

    def work(seed: int) -> None:
        generator = np.random.default_rng(seed)
        for key, size in generator.integers(0, 100, (500, 2)):
            cache.put(int(key), array(int(size)))
            cache.get(int(key) + 1)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    held = [value for key in range(101) if (value := cache.get(key)) is not None]
    assert cache.nbytes == sum(value.nbytes for value in held) <= 500


def test_keys_follow_the_content(tmp_path: Path) -> None:
    first, second = tmp_path / "a.png", tmp_path / "b.jpg"
    first.write_bytes(b"content")
    second.write_bytes(b"content")
    assert content_key(first) == content_key(second) == content_key(b"content")
    second.write_bytes(b"another")
    assert content_key(first) != content_key(second)


def test_keys_of_arrays() -> None:
    pixels = noise(4, 6)
    assert content_key(pixels) == content_key(pixels.copy())
    assert content_key(pixels[:, ::2]) == content_key(pixels[:, ::2].copy())
    assert content_key(pixels) != content_key(pixels.reshape(6, 4, 3))
    assert content_key(pixels) != content_key(pixels.view(np.int8))


def test_large_files_are_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "_WHOLE", 1000)
    monkeypatch.setattr(cache_module, "_SAMPLE", 100)
    file = tmp_path / "film.mkv"
    file.write_bytes(bytes(5000))
    before = content_key(file)
    assert content_key(file) == before
    os.utime(file, ns=(1, 1))
    assert content_key(file) != before
    before = content_key(file)
    file.write_bytes(bytes(4999) + b"x")
    os.utime(file, ns=(1, 1))
    assert content_key(file) != before


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no file"):
        content_key(tmp_path / "gone.png", "picture")
