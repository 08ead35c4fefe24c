"""Downloads from a hub that runs on this machine: what is fetched, kept, and refused."""

from __future__ import annotations

import errno
import hashlib
import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import huggingface_hub.constants
import pytest
from huggingface_hub.errors import HfHubHTTPError

from sdcli.cli import run
from sdcli.errors import ModelError
from sdcli.models import find
from sdcli.models.hub import tokenizer

COMMIT = "a" * 40
REPOSITORIES = "(?:some/model|openai/clip-vit-large-patch14)"


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's API as a download speaks, for two repositories.

    A file that is named in `cuts` ends in its middle, once.
    """

    files: dict[str, bytes]
    asked: list[str]
    cuts: set[str]
    refusal: tuple[int, str] | None = None
    ranges: list[str]

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""

    def _answer(self, *, body: bool) -> None:
        path = self.path.partition("?")[0]
        headers = {"X-Repo-Commit": COMMIT}
        status, data, name = 404, b"{}", ""
        if self.refusal:
            status, headers["X-Error-Code"] = self.refusal
        elif path == "/api/models/some/gated":
            status, headers["X-Error-Code"] = 403, "GatedRepo"
        elif re.match(rf"/api/models/{REPOSITORIES}/tree/", path):
            listing = [
                {"type": "file", "path": name, "size": len(content), "oid": self._etag(content)}
                for name, content in self.files.items()
            ]
            status, data = 200, json.dumps(listing).encode()
        elif match := re.match(rf"/api/models/({REPOSITORIES})", path):
            siblings = [{"rfilename": name} for name in self.files]
            told = {"id": match[1], "sha": COMMIT, "siblings": siblings, "private": False}
            status, data = 200, json.dumps(told).encode()
        elif re.match(rf"/{REPOSITORIES}/resolve/", path):
            name = path.split("/", 5)[5]
            status, data = 200, self.files[name]
            headers["ETag"] = f'"{self._etag(data)}"'
            if body:
                self.asked.append(name)
        else:
            headers["X-Error-Code"] = "RepoNotFound"
        self._send(status, headers, data, name, body=body)

    def _send(
        self, status: int, headers: dict[str, str], data: bytes, name: str, *, body: bool
    ) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        whole = len(data)
        if asked and name and body:
            first = int(asked[1])
            self.ranges.append(name)
            headers["Content-Range"] = f"bytes {first}-{whole - 1}/{whole}"
            status, data = 206, data[first:]
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(key, value)
        self.end_headers()
        if body and name in self.cuts:
            self.cuts.discard(name)
            data = data[: len(data) // 2]
            self.close_connection = True
        if body:
            self.wfile.write(data)

    @staticmethod
    def _etag(data: bytes) -> str:
        return hashlib.sha1(data).hexdigest()


@pytest.fixture
def hub(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ThreadingHTTPServer]:
    """The tiny model on a hub, with files beside it that sdcli does not need."""
    Hub.files = {
        str(path.relative_to(tiny_folder)): path.read_bytes()
        for path in tiny_folder.rglob("*")
        if path.is_file()
    }
    Hub.files["unet/diffusion_pytorch_model.bin"] = b"a pickle"
    Hub.files["v1-5-pruned.safetensors"] = b"seven gigabytes"
    Hub.asked, Hub.cuts, Hub.ranges = [], set(), []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", endpoint)
    address = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    for module in (huggingface_hub.constants, huggingface_hub.file_download):  # one or the other
        monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", address, raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_XET_CACHE", str(tmp_path / "xet"))
    yield server
    server.shutdown()
    server.server_close()


def test_only_what_is_needed_is_fetched_once_and_then_no_network_is(
    hub: ThreadingHTTPServer,
) -> None:
    said: list[str] = []
    assert find("some/model", say=said.append).native_size == 64
    assert len(said) == 1
    assert "some/model" in said[0]
    assert set(Hub.asked) == Hub.files.keys() - {
        "unet/diffusion_pytorch_model.bin",
        "v1-5-pruned.safetensors",
    }
    Hub.asked.clear()
    hub.shutdown()
    hub.server_close()
    assert find("some/model").family.name == "builtin"
    assert find("some/model", offline=True).native_size == 64
    assert Hub.asked == []


def test_an_unknown_model_is_told(hub: ThreadingHTTPServer) -> None:
    with pytest.raises(ModelError, match="no such model on the hub"):
        find("some/other")


def test_a_gated_model_is_told(hub: ThreadingHTTPServer) -> None:
    with pytest.raises(ModelError, match="some/gated is gated") as caught:
        find("some/gated")
    assert "HF_TOKEN" in caught.value.hint


def test_a_repository_of_single_files_is_told(hub: ThreadingHTTPServer) -> None:
    Hub.files = {"model.safetensors": b"weights", "README.md": b""}
    with pytest.raises(ModelError, match=r"but holds model\.safetensors") as caught:
        find("some/model")
    assert "`hf download some/model model.safetensors`" in caught.value.hint
    Hub.files = {"README.md": b""}
    with pytest.raises(ModelError, match=r"has no model_index\.json"):
        find("some/model")
    assert Hub.asked == []


# The classes that stand in the index of black-forest-labs/FLUX.1-dev and of
# stabilityai/stable-diffusion-3.5-large; the first repository has 33 GB.
@pytest.mark.parametrize("pipeline", ["FluxPipeline", "StableDiffusion3Pipeline"])
def test_a_pipeline_that_is_not_run_is_told_before_its_weights_are_fetched(
    hub: ThreadingHTTPServer, pipeline: str
) -> None:
    Hub.files["model_index.json"] = json.dumps({"_class_name": pipeline}).encode()
    for _ in range(2):  # fresh, and from the cache
        with pytest.raises(ModelError, match=f"diffusers' {pipeline}"):
            find("some/model")
    assert Hub.asked == ["model_index.json"]


@pytest.mark.parametrize("content", [b"<html>", b"[1]", b"\xff"])
def test_an_index_that_is_none_is_told(hub: ThreadingHTTPServer, content: bytes) -> None:
    Hub.files["model_index.json"] = content
    with pytest.raises(ModelError, match=r"its model_index\.json is damaged"):
        find("some/model")


@pytest.mark.skipif(
    issubclass(HfHubHTTPError.__bases__[0], OSError),
    reason="a client on requests takes a cut connection up in its next run only",
)
def test_a_connection_that_is_cut_is_taken_up_where_it_ended(
    hub: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 1024)
    name = "unet/diffusion_pytorch_model.safetensors"
    Hub.cuts = {name}
    assert find("some/model").native_size == 64
    assert Hub.ranges == [name]


def test_clips_tokenizer_is_fetched_once(
    hub: ThreadingHTTPServer, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ModelError, match="not in the hub's cache") as caught:
        tokenizer(offline=True)
    assert "sdcli models pull tokenizers" in caught.value.hint
    Hub.files = {path.name: path.read_bytes() for path in (tiny_folder / "tokenizer").iterdir()}
    Hub.files |= {"model.safetensors": b"weights of CLIP, which are not needed"}
    Hub.files |= {name: name.encode() for name in NEEDED if name not in Hub.files}
    assert run(["models", "pull", "tokenizers"]) == 0
    assert set(Hub.asked) == set(NEEDED)
    folder = Path(capsys.readouterr().out.strip())
    assert tokenizer(offline=True) == folder


NEEDED = ("vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json")


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (404, "RevisionNotFound", "does not have the requested revision"),
        (401, "RepoNotFound", "no such model on the hub"),
        (401, "GatedRepo", "is gated"),
        (500, "", "the hub cannot be reached"),
    ],
)
def test_what_the_hub_refuses_is_told(
    hub: ThreadingHTTPServer,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    code: str,
    message: str,
) -> None:
    monkeypatch.setattr(Hub, "refusal", (status, code))
    with pytest.raises(ModelError, match=message):
        find("some/model")


def test_a_full_disk_is_told(hub: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    find_files = huggingface_hub.snapshot_download
    monkeypatch.setattr(
        huggingface_hub,
        "snapshot_download",
        lambda *a, **k: find_files(*a, **k) if k.get("local_files_only") else full(),
    )
    with pytest.raises(ModelError, match="no room on the disk for some/model") as caught:
        find("some/model")
    assert "HF_HOME" in caught.value.hint
