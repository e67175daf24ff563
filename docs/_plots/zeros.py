import matplotlib.pyplot as plt
import numpy as np

import l1_any as l1

rng = np.random.default_rng(0)
a = rng.standard_normal((80, 40)) / np.sqrt(80)
b = a[:, :5] @ np.asarray([3.0, -2.0, 1.5, -1.0, 2.0]) + 0.1 * rng.standard_normal(80)
rate, strength = 1 / np.linalg.norm(a, 2) ** 2, 0.1


def shares_of_zeros(step, steps=2000):
    x, shares = np.full(40, 0.01), []
    for _ in range(steps):
        x = step(x, a.T @ (a @ x - b))
        shares.append(np.mean(x == 0))
    return shares


_, axes = plt.subplots()
axes.plot(
    shares_of_zeros(lambda x, g: x - rate * (g + strength * l1.subgradient(x))), label="subgradient step"
)
axes.plot(shares_of_zeros(lambda x, g: l1.prox(x - rate * g, rate * strength)), label="proximal step")
axes.set(title="A Lasso with 40 coefficients, 5 of them not zero", xscale="log")
axes.set(xlabel="step", ylabel="share of exact zeros")
axes.legend()
plt.show()
