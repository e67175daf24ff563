import matplotlib.pyplot as plt
import numpy as np

import l1_any as l1

x = np.linspace(-3, 3, 601)

_, (left, right) = plt.subplots(1, 2)
left.plot(x, x, color="0.7", label="x")
left.plot(x, l1.prox(x, 1.0), label="prox(x, 1)")
left.plot(x, l1.prox_elastic_net(x, 1.0, l1_ratio=0.5), label="prox_elastic_net(x, 1), ratio 0.5")
left.set(title="Proximal operators", xlabel="x")
left.legend()
right.plot(x, np.abs(x), color="0.7", label="|x|")
right.plot(x, l1.huber(x[:, None], 1.0, axis=-1), label="huber(x, 1)")
right.plot(x, l1.huber_gradient(x, 1.0), "--", label="huber_gradient(x, 1)")
right.set(title="The smooth penalty", xlabel="x")
right.legend()
plt.show()
