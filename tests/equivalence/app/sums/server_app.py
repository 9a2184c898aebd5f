"""The same run in Flower's own deployment; writes the final arrays where the configuration says."""

from flwr.app import Array, ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp, strategy
from safetensors.numpy import load_file, save_file

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    config = context.run_config
    initial = load_file(str(config["initial"]))
    chosen = getattr(strategy, str(config["strategy"]))(fraction_evaluate=0.0, min_train_nodes=2, min_available_nodes=2)
    arrays = ArrayRecord({name: Array(values) for name, values in sorted(initial.items())})
    result = chosen.start(grid, arrays, num_rounds=int(config["rounds"]), timeout=120.0)
    save_file({name: array.numpy() for name, array in result.arrays.items()}, str(config["out"]))
