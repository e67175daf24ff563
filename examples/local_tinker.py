"""A Tinker service in one process: the real SDK trains a real, tiny model over loopback HTTP.

It implements the part of the service's protocol that training needs. Code written for Tinker then runs without
an account, a network or a GPU::

    with LocalTinker() as server:
        service = tinker.ServiceClient(base_url=server.base_url, api_key="tml-local")
        trainer = service.create_lora_training_client("any-name", rank=8, seed=0).result()
        trainer.forward_backward(data, "cross_entropy")
        trainer.optim_step(tinker.AdamParams(learning_rate=1e-2)).result()
        server.models[trainer.model_id]  # the LoRALanguageModel that was trained

Tokens are bytes. ``python examples/local_tinker.py --port 8000`` serves until it is interrupted.
"""

import argparse
import json
import signal
import threading
from collections import Counter
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import torch
import zstandard
from lora_lm import VOCABULARY, LoRALanguageModel
from loss_graph import build_loss
from tinker.proto import tinker_public_pb2 as pb
from tinker.proto.response_conv import _tensor_data_from_proto

# The server holds a poll for this long, then tells the client to ask again. The SDK gives up on a poll after 45 s.
_POLL_SECONDS = 20


class LocalTinker:
    """The service, as a context manager: it listens on 127.0.0.1 until it exits.

    The server answers every request at once with a promise, and runs the requests in the order of their sequence
    numbers. Gradients accumulate over the chunks of a batch, and over batches, until an optimizer step.

    Parameters
    ----------
    port : int
        Port to listen on; 0 takes a free one.
    seed : int
        Seed of the frozen base model, and of adapters whose client gives no seed.
    max_chunk_len : int
        Largest number of examples in one request; the SDK splits larger batches.
    custom_losses : bool
        Whether the server runs the losses of ``ServiceClient.create_custom_loss``. If not, the SDK runs them.

    Attributes
    ----------
    base_url : str
        The argument ``base_url`` of ``tinker.ServiceClient``.
    models : dict of str to LoRALanguageModel
        The models by ``TrainingClient.model_id``. They change while a request runs.
    requests : collections.Counter
        Number of requests received, by kind: "create_model", "forward", "forward_backward", "optim_step", ...
    """

    def __init__(self, *, port=0, seed=0, max_chunk_len=1024, custom_losses=False):
        self.models = {}
        self.requests = Counter()
        self._seed = seed
        self._trainers = {}
        self._losses = {"cross_entropy": _cross_entropy}
        self._promises = {}
        config = {
            "fwdbwd_max_chunk_len": max_chunk_len,
            "custom_loss_server_side": custom_losses,
            "proto_compress_fwdbwd": True,
        }
        self._answers = {
            "config": lambda _: config,
            "dynamic_config": lambda _: {},
            "create_session": lambda _: {"session_id": f"local-{self.requests['create_session']}"},
            "session_heartbeat": lambda _: {},
            "telemetry": lambda _: {"status": "accepted"},
            "finish": lambda _: {},
            "create_model": self._create_model,
            "get_info": lambda request: {"model_id": request["model_id"], "model_data": {}},
            "create_custom_loss": self._create_custom_loss,
            "forward": self._forward_backward,
            "forward_backward": self._forward_backward,
            "optim_step": self._optim_step,
        }
        self._lock = threading.Lock()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="local-tinker")
        self._http = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
        self._http.tinker = self
        # With threads that are no daemons, `server_close` waits for the requests that are running.
        self._http.daemon_threads = False
        self._listener = threading.Thread(target=self._http.serve_forever, args=(0.05,))
        self.base_url = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self):
        self._listener.start()
        return self

    def __exit__(self, *exception):
        self._http.shutdown()
        with self._lock:
            for promise in self._promises.values():
                promise.cancel()
        self._worker.shutdown()
        self._http.server_close()
        self._listener.join()

    def answer(self, kind, request):
        """Answer a request of this kind at once; return the HTTP status and a JSON object."""
        with self._lock:
            self.requests[kind] += 1
            try:
                return HTTPStatus.OK, self._answers[kind](request)
            except KeyError as unknown:
                return HTTPStatus.NOT_FOUND, {"error": f"A local Tinker knows no {unknown}."}

    def retrieve(self, request_id):
        """Wait for a promise; return the HTTP status and the result, a JSON object or protobuf bytes."""
        try:
            return HTTPStatus.OK, self._promises[request_id].result(_POLL_SECONDS)
        except TimeoutError:
            return HTTPStatus.REQUEST_TIMEOUT, {"queue_state": "active"}
        except CancelledError:
            return HTTPStatus.OK, {"error": "The local Tinker has stopped.", "category": "server"}
        except Exception as error:  # noqa: BLE001  the client gets every error that a request raises
            return HTTPStatus.OK, {"error": f"{type(error).__name__}: {error}", "category": "user"}

    def _create_model(self, request):
        model_id = f"{request['session_id']}:train:{request['model_seq_id']}"

        def create():
            lora = {"seed": self._seed, **request["lora_config"]}
            self.models[model_id] = LoRALanguageModel(base_seed=self._seed, **lora)
            self._trainers[model_id] = _Trainer(self.models[model_id])
            return {"model_id": model_id}

        return self._promise(model_id, create)

    def _create_custom_loss(self, request):
        loss_id = f"{request['session_id']}:loss:{request['custom_loss_seq_id']}"

        def create():
            names = [loss_input["name"] for loss_input in request["inputs"][1:]]
            graph = build_loss(request["graph"])
            self._losses[loss_id] = lambda logprobs, inputs: graph(logprobs, *(inputs[n] for n in names))
            return {"loss_id": loss_id}

        return self._promise(loss_id, create)

    def _forward_backward(self, request):
        def work(trainer):
            custom = request.loss_fn == "custom"
            loss_fn = self._losses[request.loss_fn_config_v2["loss_id"].text if custom else request.loss_fn]
            return trainer.forward_backward(request.data, loss_fn, forward_only=request.forward_only)

        return self._promise_in_turn(request.model_id, request.seq_id, work)

    def _optim_step(self, request):
        def work(trainer):
            return trainer.optim_step(**request["adam_params"])

        return self._promise_in_turn(request["model_id"], request["seq_id"], work)

    def _promise(self, request_id, work):
        self._promises[request_id] = self._worker.submit(work)
        return {"request_id": request_id}

    def _promise_in_turn(self, model_id, seq_id, work):
        trainer = self._trainers[model_id]
        request_id = f"{model_id}:{seq_id}"
        # The SDK sends a request again if it did not receive the answer.
        if request_id not in self._promises:
            promise = self._promises[request_id] = Future()
            trainer.waiting[seq_id] = promise, work
            while trainer.turn in trainer.waiting:
                self._worker.submit(_fulfil, *trainer.waiting.pop(trainer.turn), trainer)
                trainer.turn += 1
        return {"request_id": request_id}


class _Trainer:
    """One model with its optimizer, and the requests that wait for their turn."""

    def __init__(self, model):
        self.turn = 1
        self.waiting = {}
        self._model = model
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._optimizer = torch.optim.AdamW(self._parameters)

    def forward_backward(self, data, loss_fn, *, forward_only):
        """Sum a loss over the examples and add its gradient to the gradients of the parameters."""
        output = pb.ForwardBackwardOutput(loss_fn_output_type="ArrayRecord")
        total = torch.zeros((), dtype=torch.float64)
        with torch.set_grad_enabled(not forward_only):
            for datum in data:
                inputs = {key: _tensor(value) for key, value in datum.loss_fn_inputs.items()}
                logprobs = self._model.target_logprobs(_tokens(datum), inputs["target_tokens"])
                loss, metrics = loss_fn(logprobs, inputs)
                if loss.ndim != 0:
                    raise ValueError(f"a loss must be a scalar, got shape {tuple(loss.shape)}.")
                total = total + loss
                for key, value in metrics.items():
                    share = len(data) if key.endswith(":mean") else 1
                    output.metrics[key] += value.item() / share
                output.loss_fn_outputs.append(_record(logprobs))
        if not forward_only:
            total.backward()
        output.metrics["loss:sum"] = total.item()
        return output.SerializeToString()

    def optim_step(self, *, learning_rate, beta1, beta2, eps, weight_decay, grad_clip_norm):
        """Take one step of AdamW with the gradients since the last one."""
        if grad_clip_norm > 0:
            torch.nn.utils.clip_grad_norm_(self._parameters, grad_clip_norm)
        self._optimizer.param_groups[0].update(
            lr=learning_rate, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay
        )
        self._optimizer.step()
        self._optimizer.zero_grad()
        return {}


class _Handler(BaseHTTPRequestHandler):
    """HTTP/1.0 with one connection per request, so no connection is left open when the service stops."""

    timeout = 10

    def do_GET(self):
        self._send(*self.server.tinker.answer(self._kind, None))

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "zstd":
            body = zstandard.decompress(body)
        kind = self._kind
        if kind == "forward_backward":
            request = pb.ForwardBackwardRequest.FromString(body)
            kind = "forward" if request.forward_only else kind
        else:
            request = json.loads(body)
        if kind == "retrieve_future":
            self._send(*self.server.tinker.retrieve(request["request_id"]))
        else:
            self._send(*self.server.tinker.answer(kind, request))

    @property
    def _kind(self):
        return self.path.rpartition("/")[2]

    def _send(self, status, content):
        binary = isinstance(content, bytes)
        body = content if binary else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf" if binary else "application/json")
        self.send_header("Content-Length", str(len(body)))
        # A client may close the connection before it has read the last answer.
        with suppress(ConnectionError):
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_):
        """Print nothing: `LocalTinker.requests` counts the requests."""


def _fulfil(promise, work, trainer):
    if promise.set_running_or_notify_cancel():
        try:
            promise.set_result(work(trainer))
        except Exception as error:  # noqa: BLE001  the promise passes it to whoever waits for the result
            promise.set_exception(error)


def _cross_entropy(logprobs, inputs):
    weights = inputs["weights"]
    if weights.shape != logprobs.shape:
        raise ValueError(f"`weights` must have the shape of `target_tokens`, got {tuple(weights.shape)}.")
    return -(logprobs * weights).sum(), {}


def _tokens(datum):
    if any(chunk.WhichOneof("chunk") != "encoded_text" for chunk in datum.model_input):
        raise ValueError("`model_input` must be tokens: the local model knows no images or sound.")
    tokens = np.frombuffer(b"".join(chunk.encoded_text.tokens for chunk in datum.model_input), np.int32)
    if tokens.size and not 0 <= tokens.min() <= tokens.max() < VOCABULARY:
        raise ValueError(
            f"tokens must be bytes, 0 to {VOCABULARY - 1}, got {tokens.min()} to {tokens.max()}."
        )
    return torch.from_numpy(tokens.astype(np.int64))


def _tensor(message):
    return _tensor_data_from_proto(message).to_torch()


def _record(logprobs):
    data = logprobs.detach().numpy().astype(np.float32).tobytes()
    field = pb.BatchedTensor(
        data=data,
        offsets=np.array([0, len(data)], np.int64).tobytes(),
        dtype=pb.DTYPE_FLOAT32,
        trailing_shape=logprobs.shape[1:],
    )
    return pb.ArrayRecord(fields={"logprobs": field}, num_datums=1)


def main():
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt), LocalTinker(port=parser.parse_args().port) as server:
        print(f"TINKER_BASE_URL={server.base_url} TINKER_API_KEY=tml-local", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
