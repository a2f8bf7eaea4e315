### distill
# image: vLLM-Kunlun, from Baidu; kunlun_ops 0.1.58, vllm 0.15.1 and transformers 5.2.0 go together
# R1, V3 and V3.2 as INT8 fit one server of 8 P800; V4 is being brought up there and does not serve yet
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
    --shm-size=32g \
    --cap-add=SYS_PTRACE \
    --security-opt=seccomp=unconfined \
    --device=/dev/xpuctrl \
    --device=/dev/xpu0 \
    --device=/dev/xpu1 \
    --volume=/srv/models/deepseek-r1-distill-qwen-7b:/srv/models/deepseek-r1-distill-qwen-7b:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=XFT_USE_FAST_SWIGLU=1 \
    --env=XMLIR_CUDNN_ENABLED=1 \
    --env=XPU_USE_DEFAULT_CTX=1 \
    --env=XMLIR_FORCE_USE_XPU_GRAPH=1 \
    --env=VLLM_HOST_IP=127.0.0.1 \
    --env=VLLM_USE_V1=1 \
    --env=USE_ORI_ROPE=1 \
    --env=CUDA_VISIBLE_DEVICES=0,1 \
    IMAGE-FROM-VENDOR \
    -m vllm.entrypoints.openai.api_server \
    --model /srv/models/deepseek-r1-distill-qwen-7b \
    --served-model-name deepseek-r1-distill-qwen-7b \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 2 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --reasoning-parser deepseek_r1 \
    --trust-remote-code \
    --dtype float16 \
    --distributed-executor-backend mp \
    --max_num_batched_tokens 32768 \
    --block-size 128 \
    --gpu-memory-utilization 0.9

### v3
# image: vLLM-Kunlun, from Baidu; kunlun_ops 0.1.58, vllm 0.15.1 and transformers 5.2.0 go together
# R1, V3 and V3.2 as INT8 fit one server of 8 P800; V4 is being brought up there and does not serve yet
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
    --shm-size=32g \
    --cap-add=SYS_PTRACE \
    --security-opt=seccomp=unconfined \
    --device=/dev/xpuctrl \
    --device=/dev/xpu0 \
    --device=/dev/xpu1 \
    --device=/dev/xpu2 \
    --device=/dev/xpu3 \
    --device=/dev/xpu4 \
    --device=/dev/xpu5 \
    --device=/dev/xpu6 \
    --device=/dev/xpu7 \
    --volume=/srv/models/deepseek-v3-0324:/srv/models/deepseek-v3-0324:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=XFT_USE_FAST_SWIGLU=1 \
    --env=XMLIR_CUDNN_ENABLED=1 \
    --env=XPU_USE_DEFAULT_CTX=1 \
    --env=XMLIR_FORCE_USE_XPU_GRAPH=1 \
    --env=VLLM_HOST_IP=127.0.0.1 \
    --env=VLLM_USE_V1=1 \
    --env=USE_ORI_ROPE=1 \
    --env=XMLIR_ENABLE_MOCK_TORCH_COMPILE=false \
    --env=CUDA_GRAPH_OPTIMIZE_STREAM=1 \
    --env=XMLIR_ENABLE_FAST_FC=1 \
    --env=XPU_USE_FAST_SWIGLU=1 \
    --env=XPU_USE_MOE_SORTED_THRES=1 \
    --env=CUDA_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 \
    IMAGE-FROM-VENDOR \
    -m vllm.entrypoints.openai.api_server \
    --model /srv/models/deepseek-v3-0324 \
    --served-model-name deepseek-v3-0324 \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 8 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --trust-remote-code \
    --dtype float16 \
    --distributed-executor-backend mp \
    --max_num_batched_tokens 32768 \
    --block-size 128 \
    --gpu-memory-utilization 0.9

### r1
# image: vLLM-Kunlun, from Baidu; kunlun_ops 0.1.58, vllm 0.15.1 and transformers 5.2.0 go together
# R1, V3 and V3.2 as INT8 fit one server of 8 P800; V4 is being brought up there and does not serve yet
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
    --shm-size=32g \
    --cap-add=SYS_PTRACE \
    --security-opt=seccomp=unconfined \
    --device=/dev/xpuctrl \
    --device=/dev/xpu0 \
    --device=/dev/xpu1 \
    --device=/dev/xpu2 \
    --device=/dev/xpu3 \
    --device=/dev/xpu4 \
    --device=/dev/xpu5 \
    --device=/dev/xpu6 \
    --device=/dev/xpu7 \
    --volume=/srv/models/deepseek-r1-0528:/srv/models/deepseek-r1-0528:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=XFT_USE_FAST_SWIGLU=1 \
    --env=XMLIR_CUDNN_ENABLED=1 \
    --env=XPU_USE_DEFAULT_CTX=1 \
    --env=XMLIR_FORCE_USE_XPU_GRAPH=1 \
    --env=VLLM_HOST_IP=127.0.0.1 \
    --env=VLLM_USE_V1=1 \
    --env=USE_ORI_ROPE=1 \
    --env=XMLIR_ENABLE_MOCK_TORCH_COMPILE=false \
    --env=CUDA_GRAPH_OPTIMIZE_STREAM=1 \
    --env=XMLIR_ENABLE_FAST_FC=1 \
    --env=XPU_USE_FAST_SWIGLU=1 \
    --env=XPU_USE_MOE_SORTED_THRES=1 \
    --env=CUDA_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 \
    IMAGE-FROM-VENDOR \
    -m vllm.entrypoints.openai.api_server \
    --model /srv/models/deepseek-r1-0528 \
    --served-model-name deepseek-r1-0528 \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 8 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --trust-remote-code \
    --reasoning-parser deepseek_r1 \
    --dtype float16 \
    --distributed-executor-backend mp \
    --max_num_batched_tokens 32768 \
    --block-size 128 \
    --gpu-memory-utilization 0.9

### v3.2
# image: vLLM-Kunlun, from Baidu; kunlun_ops 0.1.58, vllm 0.15.1 and transformers 5.2.0 go together
# R1, V3 and V3.2 as INT8 fit one server of 8 P800; V4 is being brought up there and does not serve yet
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
    --shm-size=32g \
    --cap-add=SYS_PTRACE \
    --security-opt=seccomp=unconfined \
    --device=/dev/xpuctrl \
    --device=/dev/xpu0 \
    --device=/dev/xpu1 \
    --device=/dev/xpu2 \
    --device=/dev/xpu3 \
    --device=/dev/xpu4 \
    --device=/dev/xpu5 \
    --device=/dev/xpu6 \
    --device=/dev/xpu7 \
    --volume=/srv/models/deepseek-v3.2:/srv/models/deepseek-v3.2:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=XFT_USE_FAST_SWIGLU=1 \
    --env=XMLIR_CUDNN_ENABLED=1 \
    --env=XPU_USE_DEFAULT_CTX=1 \
    --env=XMLIR_FORCE_USE_XPU_GRAPH=1 \
    --env=VLLM_HOST_IP=127.0.0.1 \
    --env=VLLM_USE_V1=1 \
    --env=USE_ORI_ROPE=1 \
    --env=XMLIR_ENABLE_MOCK_TORCH_COMPILE=false \
    --env=CUDA_GRAPH_OPTIMIZE_STREAM=1 \
    --env=XMLIR_ENABLE_FAST_FC=1 \
    --env=XPU_USE_FAST_SWIGLU=1 \
    --env=XPU_USE_MOE_SORTED_THRES=1 \
    --env=CUDA_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 \
    IMAGE-FROM-VENDOR \
    -m vllm.entrypoints.openai.api_server \
    --model /srv/models/deepseek-v3.2 \
    --served-model-name deepseek-v3.2 \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 8 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --trust-remote-code \
    --tokenizer-mode deepseek_v32 \
    --reasoning-parser deepseek_v3 \
    --enable-auto-tool-choice \
    --tool-call-parser deepseek_v32 \
    --dtype float16 \
    --distributed-executor-backend mp \
    --max_num_batched_tokens 8192 \
    --block-size 64 \
    --kv-cache-dtype bfloat16 \
    --gpu-memory-utilization 0.95 \
    --no-enable-chunked-prefill \
    --no-enable-prefix-caching
