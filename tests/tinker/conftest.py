import pytest
import tinker
import torch
from local_tinker import LocalTinker


@pytest.fixture(scope="session", autouse=True)
def loopback_only():
    """Nothing of the SDK leaves the machine: no telemetry, and no proxy between it and loopback."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINKER_TELEMETRY", "0")
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Threads of torch only wait for each other in so small a model."""
    torch.set_num_threads(1)


@pytest.fixture
def server(request):
    """A local service that takes two examples a request, so that every batch is several chunks.

    Custom losses run in the SDK; parametrized indirectly by True, on the server.
    """
    with LocalTinker(max_chunk_len=2, custom_losses=getattr(request, "param", False)) as server:
        yield server


@pytest.fixture
def service(server):
    with tinker.ServiceClient(base_url=server.base_url, api_key="tml-local") as service:
        yield service


@pytest.fixture
def trainer(service):
    return service.create_lora_training_client("local", rank=4, seed=7).result()


@pytest.fixture
def model(server, trainer):
    return server.models[trainer.model_id]
