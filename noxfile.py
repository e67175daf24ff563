"""What a contributor runs: `nox -l` lists it.

Plain `nox` tests what needs none of torch, JAX and Cubed, and `nox -t full` the rest of what needs no GPU.
"""

import logging
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"
# Without torch and JAX, whose environments are large and whose tests take longest.
SMALL = ["numpy", "strict", "dask"]
nox.options.sessions = ["lint", *(f"tests({name})" for name in SMALL), "doctests", "build"]
FULL = ["full"]

PYPROJECT = nox.project.load_toml("pyproject.toml")
OLDEST_PYTHON = PYPROJECT["project"]["requires-python"].removeprefix(">=")
CPU_BACKENDS = {  # name: what to install
    "numpy": ["-e."],
    "strict": ["-e.", "array-api-strict"],
    "torch": ["-e.[torch]"],
    "jax": ["-e.[jax]"],
    "dask": ["-e.[dask]"],
    "cubed": ["-e.[cubed]"],
}
SUITES_OF_THEIR_OWN = [
    "agree",
    "benchmarks",
    "cli",
    "containers",
    "distributed",
    "docs",
    "examples",
    "optim",
    "tinker",
]


_EXAMPLES = {
    ("cubed",): {"L1_ANY_EXAMPLES": "3"},  # Cubed writes files: each result that it computes takes 30 ms
    ("jax",): {"L1_ANY_EXAMPLES": "6"},  # JAX compiles anew for each shape that Hypothesis draws
    ("torch",): {"L1_ANY_EXAMPLES": "25"},
    # The sessions for each library draw more.
    ("numpy", "torch"): {"L1_ANY_EXAMPLES": "15"},
    ("numpy", "strict", "dask"): {"L1_ANY_EXAMPLES": "10"},
}


def group(name: str) -> tuple[str, ...]:
    """Return the requirements of a dependency group."""
    return nox.project.dependency_groups(PYPROJECT, name)


def cuda_major() -> str | None:
    """Return the CUDA version that the driver supports ("12", "13"), or None where there is no GPU."""
    if shutil.which("nvidia-smi") is None:
        return None
    report = subprocess.run(["nvidia-smi"], capture_output=True, text=True, check=False).stdout  # noqa: S607
    version = re.search(r"CUDA Version: (\d+)", report)
    return version and version[1]


CUDA = cuda_major()
BACKENDS = [*CPU_BACKENDS, "cupy"] if CUDA else [*CPU_BACKENDS]
if not CUDA:
    logging.getLogger("nox").warning("tests(cupy) is not scheduled, CuPy is not tested: no NVIDIA GPU here.")


def install(session: nox.Session, *requirements: str, **options: Any) -> None:
    """Install packages, but leave it to Python to compile the modules that are imported: torch has many others."""
    session.install("--no-compile", *requirements, **options)


def run_pytest(session: nox.Session, *args: str, backends: list[str], device: str | None = None) -> None:
    """Run pytest for some backends; one that is missing is an error."""
    chosen = [f"--backend={name}" for name in backends] + ([f"--device={device}"] if device else [])
    session.run("python", "-m", "pytest", *chosen, *args, *session.posargs, env=_EXAMPLES.get((*backends,)))


def run_contract(
    session: nox.Session, *backends: str, device: str | None = None, args: Sequence[str] = ()
) -> None:
    """Run the suite that every backend must pass, in two processes unless a GPU is tested."""
    others = [f"--ignore=tests/{suite}" for suite in SUITES_OF_THEIR_OWN]
    processes = ["--numprocesses=2"] if device is None else []
    run_pytest(session, *processes, *others, *args, backends=[*backends], device=device)


def run_doctests(session: nox.Session, *args: str) -> None:
    """Run the examples of README, docs and docstrings."""
    pages = ["README.md", *map(str, sorted(Path("docs").glob("*.md")))]
    # Kernels have no examples, and some of them can be imported on a GPU alone.
    options = ["--doctest-modules", "--doctest-glob=*.md", "--ignore=l1_any/_kernels"]
    session.run("python", "-m", "pytest", *args, *options, "l1_any", *pages)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types, docstrings and spelling: ruff, mypy, basedpyright, numpydoc, codespell."""
    install(session, "-e.[cli]", *group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("codespell")
    session.run("mypy")
    session.run("mypy", "tests/typed_calls.py")
    session.run("python", ".ci/check_types.py")
    session.run("python", ".ci/check_docstrings.py")
    # Read but not imported: torch and JAX are not installed here.
    session.run("numpydoc", "lint", "l1_any/optim/torch.py", "l1_any/optim/optax.py")


@nox.session
@nox.parametrize(
    "backend", [nox.param(name, id=name, tags=[] if name in SMALL else FULL) for name in BACKENDS]
)
def tests(session: nox.Session, backend: str) -> None:
    """Hold one array library to the contract, with only that library installed."""
    if backend == "cupy":
        install(session, f"-e.[cuda{CUDA}]", *group("test"))
        run_contract(session, backend, device="cuda")
    else:
        install(session, *CPU_BACKENDS[backend], *group("test"))
        run_contract(session, backend)


@nox.session(tags=FULL)
def kernels(session: nox.Session) -> None:
    """Test NumPy, Dask and torch with the fused kernels for a CPU, for arrays of any size."""
    install(session, "-e.[dask,torch,fast]", *group("test"))
    # Exported programs use no kernels, and a chunk of Dask's is a NumPy array.
    run_contract(session, "numpy", "torch", args=["--kernels=always", "--ignore=tests/test_export.py"])
    run_pytest(session, "tests/run", "tests/test_penalty.py", "--kernels=always", backends=["dask"])


@nox.session(tags=FULL)
def interpreter(session: nox.Session) -> None:
    """Run the kernels of GPUs on a CPU: Triton's in its interpreter, CuPy's compiled by g++ where there is one."""
    install(session, "-e.[torch]", "triton", *group("test"))
    session.env["TRITON_INTERPRET"] = "1"
    suites = ["tests/kernels/test_interpreter.py", "tests/kernels/test_cupy_code.py"]
    run_pytest(session, "--numprocesses=2", *suites, backends=["numpy", "torch"])


@nox.session(tags=FULL)
def agree(session: nox.Session) -> None:
    """Compare all CPU libraries with each other, in one environment; test what compares them."""
    install(session, "-e.[all-cpu]", *group("test"), "matplotlib>=3.10")
    suites = ["tests/agree", "tests/benchmarks", "tests/cli", "tests/docs"]
    run_pytest(session, "--numprocesses=2", *suites, backends=[*CPU_BACKENDS])


@nox.session(tags=FULL)
def distributed(session: nox.Session) -> None:
    """Test arrays spread over devices, processes and workers of this machine, and Cubed within a bound on memory."""
    install(session, "-e.[torch,jax,dask,cubed]", "distributed", "zarr", *group("test"))
    run_pytest(session, "tests/distributed", backends=["numpy", "torch", "jax", "dask", "cubed"])


@nox.session(tags=FULL)
def containers(session: nox.Session) -> None:
    """Test the pytrees of other libraries, and that matrices and frames are refused."""
    install(session, "-e.[torch,jax]", *group("test"), *group("containers"))
    run_pytest(session, "--numprocesses=2", "tests/containers", backends=["numpy", "torch", "jax"])


@nox.session(python=OLDEST_PYTHON, tags=FULL)
@nox.parametrize("of", ["numpy", "jax"], ids=["numpy", "jax"])
def minimums(session: nox.Session, of: str) -> None:
    """Test with the oldest Python and packages that are allowed: NumPy, Dask, strict and the command; JAX and optax.

    torch's lower bound is its only release that passes and can be installed, so every session with torch tests it.
    """
    project = PYPROJECT["project"]
    extras = project["optional-dependencies"]
    if of == "jax":
        optax = [requirement for requirement in group("examples") if requirement.startswith("optax")]
        lower_bounds = [*project["dependencies"], *extras["jax"], *optax]
    else:
        lower_bounds = [*project["dependencies"], *extras["dask"], *extras["cli"]]
    oldest = [requirement.replace(">=", "==") for requirement in lower_bounds]
    # Where today's releases are pinned, as in CI, these would contradict.
    install(session, "-e.", *oldest, *group("test"), env={"PIP_CONSTRAINT": ""})
    if of == "jax":
        topics = ("numbers", "groups", "schedules")
        files = ["tests/optim/test_optax_chain.py", *(f"tests/test_{topic}.py" for topic in topics)]
        session.env["L1_ANY_EXAMPLES"] = "5"
        run_pytest(session, "--numprocesses=2", *files, backends=["jax"])
        return
    # The laws, plants and kernels call no function of these packages that the other tests do not call.
    files = [f"tests/{name}" for name in ("arguments", "arrays", "regularization", "run", "testing", "cli")]
    files += [str(path) for path in sorted(Path("tests").glob("test_*.py"))]
    run_pytest(session, "--numprocesses=2", *files, backends=["numpy", "strict", "dask"])


@nox.session(tags=FULL)
def tinker(session: nox.Session) -> None:
    """Train through the real Tinker SDK and a server on this machine."""
    install(session, "-e.[torch]", *group("test"), *group("tinker"))
    run_pytest(session, "tests/tinker", backends=["torch"])


@nox.session(tags=FULL)
def examples(session: nox.Session) -> None:
    """Test the optimizers, and run the examples: what they print and plot."""
    install(session, "-e.[torch,jax]", *group("test"), *group("examples"))
    run_pytest(
        session, "--numprocesses=2", "tests/optim", "tests/examples", backends=["numpy", "torch", "jax"]
    )


@nox.session
def doctests(session: nox.Session) -> None:
    """Run the examples of README, docs and docstrings that need no torch or JAX; name those left to `docs`."""
    install(session, "-e.[dask,cli]", "pytest", "pytest-timeout")
    run_doctests(session, "-p", "docs._only_installed")


@nox.session(tags=FULL)
def docs(session: nox.Session) -> None:
    """Run all examples of README, docs and docstrings and build the docs; `-- serve` shows them."""
    install(session, "-e.[all-cpu]", *group("docs"), *group("examples"), "pytest", "pytest-timeout")
    run_doctests(session)
    session.run("sphinx-build", "--fail-on-warning", "--keep-going", "docs", "docs/_build/html")
    if "serve" in session.posargs:
        session.run("python", "-m", "http.server", "--directory", "docs/_build/html")


@nox.session
def build(session: nox.Session) -> None:
    """Build wheel and sdist, check them, and use the wheel in a clean environment."""
    install(session, *group("build"))
    tmp = Path(session.create_tmp()).resolve()
    shutil.rmtree(tmp)
    session.run("python", "-m", "build", f"--outdir={tmp / 'dist'}")
    files = [str(file) for file in (tmp / "dist").iterdir()]
    wheel = next((tmp / "dist").glob("*.whl"))
    session.run("twine", "check", "--strict", *files)
    session.run("check-wheel-contents", str(wheel))
    session.run("python", "-m", "venv", str(tmp / "clean"))
    programs = tmp / "clean" / "bin"
    with session.chdir(tmp):  # away from the source tree
        session.run(str(programs / "pip"), "install", "--quiet", f"{wheel}[cli]", external=True)
        session.run(str(programs / "python"), "-c", "import l1_any; print(l1_any.__version__)", external=True)
        session.run(str(programs / "l1-any"), "compare", external=True)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure time, error and memory beside every idiom that the package replaces."""
    install(session, "-e.[all-cpu]", *group("examples"))
    session.run("python", "benchmarks/run.py", *session.posargs)


@nox.session(default=False)
def soak(session: nox.Session) -> None:
    """Call all CPU libraries at random for five minutes, or `-- --minutes 60`; fail if the memory grows."""
    install(session, "-e.[all-cpu]", *group("test"))
    session.run("python", "tests/stress/soak.py", *session.posargs)


@nox.session(default=False)
def mutation(session: nox.Session) -> None:
    """Change the formulas, checks and the pipeline in one place at a time; fail if the tests find fewer than 95 %."""
    install(session, "-e.[all-cpu]", *group("test"), *group("mutation"))
    session.run("python", ".ci/mutate.py", *session.posargs)


@nox.session(default=False, venv_backend="none")
def gpu(session: nox.Session) -> None:
    """Test CuPy, torch and JAX on a GPU with the packages of this interpreter; record what is measured."""
    for backend in ("cupy", "torch", "jax"):
        run_contract(session, backend, device="cuda")
    session.run("python", "benchmarks/run.py", "--device=cuda", "--markdown=benchmarks/results/cuda.md")
