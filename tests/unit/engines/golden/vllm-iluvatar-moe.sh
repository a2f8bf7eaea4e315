### v3.1
# image: IXUCA 4.3 or 4.4, from Iluvatar
# verified on 16 MR-V100 as TP 4, PP 4 (speed) and TP 8, PP 2 (accuracy)
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
    --runtime=iluvatar \
    --shm-size=64g \
    --volume=/srv/models/deepseek-v3.1:/srv/models/deepseek-v3.1:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=IX_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 \
    --env=VLLM_W8A8_MOE_USE_W4A8=1 \
    --env=VLLM_ENFORCE_CUDA_GRAPH=1 \
    IMAGE-FROM-VENDOR serve /srv/models/deepseek-v3.1 \
    --served-model-name deepseek-v3.1 \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 8 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --trust-remote-code \
    --reasoning-parser deepseek_v3 \
    --enable-auto-tool-choice \
    --tool-call-parser deepseek_v31 \
    --gpu-memory-utilization 0.9 \
    --disable-cascade-attn \
    --no-enable-prefix-caching \
    --no-enable_chunked_prefill \
    --compilation-config '{"cudagraph_mode":"FULL_DECODE_ONLY","level":0}'
