"""Train a classifier on clips: does the square move to the left or to the right?"""

import json
from io import BytesIO

import av
import numpy as np
import pyarrow as pa

import marey
from marey import Marey
from marey import expressions as se

# Clips that differ in nothing but the direction of a motion.


def moving_square(seed: int) -> tuple[str, bytes]:
    """A label and an MP4 of 24 frames, in which a square moves before a noisy background."""
    chance = np.random.default_rng(seed)
    label = ("left", "right")[seed % 2]
    noise = chance.integers(0, 60, (64, 64), np.uint8)
    start, top = chance.integers(0, 64), chance.integers(4, 44)
    file = BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("h264", rate=25, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for frame in range(24):
            picture = noise.copy()
            shift = frame if label == "right" else -frame
            columns = (start + shift + np.arange(16)) % 64
            picture[top : top + 16, columns] = 220
            pixels = np.repeat(picture[..., None], 3, axis=2)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        container.mux(stream.encode(None))
    return label, file.getvalue()


# A table of them: the index that sparse reads need is made when they are written.

db = Marey("./classifier")
clips = db.project("training").create_table(
    "clips", key_schema={"clip_id": pa.int64()}, exist_ok=True
)
made = [moving_square(seed) for seed in range(60)]
clips.write(
    {
        "clip_id": range(60),
        "label": [label for label, _ in made],
        "video": [se.Video(se.Blob(payload)) for _, payload in made],
    }
)

# What the model sees: eight frames in a row, from another place of the clip in each epoch.

video = clips["video"]
outputs = {
    "label": clips["label"],
    "frames": se.video.read(
        video,
        se.video.random_clip(video, 8, stride=2, seed=1),
        height=32,
        width=32,
        pixel_format="gray8",
    ),
}
training = db.scan(outputs, where=clips["clip_id"] < 48)
testing = db.scan(outputs, where=clips["clip_id"] >= 48)


def to_features(batch: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray]:
    """Where each clip changes along with its slope, in 16 tiles; and whether it is right."""
    pixels = marey.to_numpy(batch["frames"]).astype(np.float32) / 255
    change, slope = np.diff(pixels, axis=1)[..., 1:], np.diff(pixels, axis=3)[:, 1:]
    tiles = (change * slope)[..., :28].reshape(len(pixels), -1, 4, 8, 4, 7)
    features = tiles.mean(axis=(1, 3, 5)).reshape(len(pixels), 16)
    return 100 * features, np.array(batch["label"]) == "right"


# Logistic regression by gradient descent. After each batch the loader says where it is.

weights, bias = np.zeros(16, np.float32), 0.0
for epoch in range(6):
    loader = training.to_data_loader(
        batch_size=8, shuffle=True, seed=1, epoch=epoch, transform=to_features
    )
    losses = []
    for features, is_right in loader:
        chance_of_right = 1 / (1 + np.exp(-(features @ weights + bias)))
        error = chance_of_right - is_right
        weights -= 0.5 * features.T @ error / len(error)
        bias -= 0.5 * error.mean()
        losses.append(-np.log(np.abs(chance_of_right - ~is_right) + 1e-9).mean())
        checkpoint = {"weights": weights.tolist(), "loader": loader.state_dict()}
    print(f"epoch {epoch}: loss {np.mean(losses):.3f}")

# A job that is killed goes on behind its last batch: the checkpoint is plain JSON.

checkpoint = json.loads(json.dumps(checkpoint))
loader.load_state_dict(checkpoint["loader"])
assert list(loader) == []  # that epoch was over

# Clips that it has not seen.

(result,) = testing.to_data_loader(batch_size=12, transform=to_features)
features, is_right = result
accuracy = ((features @ weights + bias > 0) == is_right).mean()
print(f"accuracy on {len(is_right)} other clips: {accuracy:.0%}")
assert accuracy >= 0.9
