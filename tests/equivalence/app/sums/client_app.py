"""Each node pulls the arrays towards its own random target; how far depends on the node's setting and on the round."""

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    node = int(context.node_config["partition-id"])
    pull = np.float32(context.run_config["pull"])
    round_ = int(message.content["config"]["server-round"])
    chance = np.random.default_rng(1000 * node + round_)
    arrays = {}
    for name, array in sorted(message.content["arrays"].items()):
        values = array.numpy().astype(np.float32)
        target = chance.standard_normal(values.shape).astype(np.float32)
        arrays[name] = Array(values + pull * (target - values))
    metrics = MetricRecord({"num-examples": 100 + 70 * node, "loss": 1.0 / round_})
    return Message(RecordDict({"arrays": ArrayRecord(arrays), "metrics": metrics}), reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    total = float(sum(np.abs(array.numpy()).sum() for array in message.content["arrays"].values()))
    return Message(RecordDict({"metrics": MetricRecord({"num-examples": 1, "size": total})}), reply_to=message)
