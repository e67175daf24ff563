import matplotlib.pyplot as plt
import numpy as np

import l1_any as l1

x = np.linspace(-2, 2, 401)
penalty = l1.value(x[:, None], axis=-1)
s = l1.subgradient(x)

_, (left, right) = plt.subplots(1, 2)
left.plot(x, penalty)
left.set(xlabel="x", ylabel="value", title="|x|")
right.plot(x[x < 0], s[x < 0], "C0", x[x > 0], s[x > 0], "C0")
right.plot(0, l1.subgradient(np.asarray(0.0)), "C0o", label="the value of l1_any at 0")
right.fill_between([-0.02, 0.02], -1, 1, color="C0", alpha=0.3, label="all subgradients at 0")
right.set(xlabel="x", ylabel="subgradient", title="its subgradient", ylim=(-1.2, 2))
right.legend(loc="upper left")
plt.show()
