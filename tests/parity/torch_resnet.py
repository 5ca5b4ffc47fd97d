"""ResNet in plain torch, under the names of timm and torchvision."""

import pytest

torch = pytest.importorskip("torch")


class Bottleneck(torch.nn.Module):
    """Version 1.5: the stride is in the convolution of 3 x 3."""

    def __init__(self, dim, new_dim, stride):
        super().__init__()
        inner = new_dim // 4
        self.conv1, self.bn1 = torch.nn.Conv2d(dim, inner, 1, bias=False), torch.nn.BatchNorm2d(inner)
        self.conv2 = torch.nn.Conv2d(inner, inner, 3, stride, padding=1, bias=False)
        self.bn2 = torch.nn.BatchNorm2d(inner)
        self.conv3, self.bn3 = torch.nn.Conv2d(inner, new_dim, 1, bias=False), torch.nn.BatchNorm2d(new_dim)
        self.downsample = None
        if stride != 1 or dim != new_dim:
            convolution = torch.nn.Conv2d(dim, new_dim, 1, stride, bias=False)
            self.downsample = torch.nn.Sequential(convolution, torch.nn.BatchNorm2d(new_dim))

    def forward(self, x):
        hidden = torch.relu(self.bn1(self.conv1(x)))
        hidden = torch.relu(self.bn2(self.conv2(hidden)))
        hidden = self.bn3(self.conv3(hidden))
        return torch.relu(hidden + (x if self.downsample is None else self.downsample(x)))


class TorchResNet(torch.nn.Module):
    """ResNet-50 by default; it returns the features before the classifier, which its checkpoints have."""

    def __init__(self, *, stem_dim=64, dims=(256, 512, 1024, 2048), depths=(3, 4, 6, 3), num_classes=1000):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, stem_dim, 7, 2, padding=3, bias=False)
        self.bn1, self.num_stages = torch.nn.BatchNorm2d(stem_dim), len(dims)
        before = stem_dim
        for stage, (dim, depth) in enumerate(zip(dims, depths, strict=True)):
            strides = [2 if stage else 1] + [1] * (depth - 1)
            blocks = [Bottleneck(before if n == 0 else dim, dim, stride) for n, stride in enumerate(strides)]
            setattr(self, f"layer{stage + 1}", torch.nn.Sequential(*blocks))
            before = dim
        self.fc = torch.nn.Linear(before, num_classes)

    def forward(self, images):
        hidden = torch.relu(self.bn1(self.conv1(images)))
        hidden = torch.nn.functional.max_pool2d(hidden, 3, 2, padding=1)
        for stage in range(self.num_stages):
            hidden = getattr(self, f"layer{stage + 1}")(hidden)
        return hidden.mean((2, 3))
