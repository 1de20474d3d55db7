//! Tests of `config`.

use serde_json::json;

use super::*;

fn parse(change: impl FnOnce(&mut Value)) -> Result<Config> {
    let mut json = json!({
        "model_type": "smolvlm", "image_token_id": 9, "scale_factor": 2,
        "text_config": {"hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2, "vocab_size": 16, "max_position_embeddings": 128, "rope_theta": 50000.0},
        "vision_config": {"hidden_size": 64, "num_attention_heads": 4, "image_size": 64, "patch_size": 16},
    });
    change(&mut json);
    Config::parse(json.to_string().as_bytes(), Path::new("config.json"))
}

/// What `Idefics3Config` and `SmolVLMConfig` of transformers 5.23 say, by `to_dict`, of a file
/// that says nothing.
#[test]
fn what_is_left_out_is_what_the_classes_take() {
    for model_type in MODEL_TYPES {
        let sparse = |text: Value| -> Config {
            let json = json!({"model_type": model_type, "text_config": text, "vision_config": {}});
            json::from_value(json, Path::new("config.json")).unwrap()
        };
        let c = sparse(json!({"model_type": "llama"}));
        let (t, v) = (&c.text, &c.vision);
        assert_eq!((c.image_token_id, c.scale_factor), (128_257, 2));
        assert_eq!((t.hidden_size, t.intermediate_size, t.num_hidden_layers), (4096, 11008, 32));
        assert_eq!((t.num_attention_heads, t.kv_heads(), t.head_dim()), (32, 32, 128));
        assert_eq!((t.vocab_size, t.max_position_embeddings), (32000, 2048));
        assert_eq!(
            [t.rms_norm_eps, t.rope_theta(), v.layer_norm_eps].map(f64::to_bits),
            [1e-6, 1e4, 1e-6].map(f64::to_bits)
        );
        assert_eq!((v.hidden_size, v.intermediate_size, v.num_hidden_layers), (1152, 3072, 12));
        assert_eq!((v.num_attention_heads, v.num_channels, v.image_size, v.patch_size), (16, 3, 224, 32));
        assert!(c.check_architecture().is_ok() && c.end_ids().is_empty());
        // A text_config that is not there has another number than an empty one.
        let eps = |text: Value| sparse(text).text.rms_norm_eps.to_bits();
        assert_eq!([eps(Value::Null), eps(json!({}))], [1e-5, 1e-6].map(f64::to_bits));
        // Some depend on others.
        let c = sparse(json!({"hidden_size": 64, "num_attention_heads": 8}));
        assert_eq!((c.text.kv_heads(), c.text.head_dim()), (8, 8));
    }
}

#[test]
fn what_is_null_is_left_out() {
    let c = parse(|j| {
        for key in ["head_dim", "num_key_value_heads", "rms_norm_eps", "rope_scaling", "hidden_act", "attention_bias"] {
            j["text_config"][key] = Value::Null;
        }
        j["vision_config"]["num_hidden_layers"] = Value::Null;
    });
    let c = c.unwrap();
    assert_eq!((c.text.kv_heads(), c.text.head_dim(), c.vision.num_hidden_layers), (4, 16, 12));
    assert_eq!(c.tokens_per_tile(), 4);
}

/// As transformers 5.23 merges them.
#[test]
fn the_rotary_embedding_is_read_from_every_place() {
    let theta = |parameters: Value, scaling: Value| {
        let c = parse(|j| {
            j["text_config"]["rope_parameters"] = parameters;
            j["text_config"]["rope_scaling"] = scaling;
        });
        c.map(|c| c.text.rope_theta())
    };
    for (parameters, scaling, want) in [
        (Value::Null, Value::Null, 50_000.0),
        (json!({"rope_theta": 70_000, "rope_type": "default"}), Value::Null, 70_000.0),
        (json!({"rope_type": "default"}), Value::Null, 50_000.0),
        (Value::Null, json!({"type": "default", "rope_type": "default"}), 50_000.0),
    ] {
        assert_eq!(theta(parameters, scaling).unwrap().to_bits(), f64::to_bits(want));
    }
    for scaled in [
        json!({"rope_type": "llama3", "factor": 8.0}),
        json!({"type": "linear", "factor": 2.0}),
        json!({"type": "yarn", "rope_theta": 1e6}),
    ] {
        for (parameters, scaling) in [(scaled.clone(), Value::Null), (Value::Null, scaled)] {
            let e = theta(parameters, scaling).unwrap_err();
            assert!(matches!(&e, Error::Unsupported { why, .. } if why.contains("scaled")), "{e}");
        }
    }
}

#[test]
fn sides_may_be_written_twice_and_quantised_weights_are_named() {
    let c = parse(|j| {
        j["vision_config"]["image_size"] = json!([64, 64]);
        j["vision_config"]["patch_size"] = json!([16, 16]);
    });
    assert_eq!((c.as_ref().unwrap().vision.image_size, c.unwrap().vision.patch_size), (64, 16));
    let e = parse(|j| j["vision_config"]["image_size"] = json!([64, 32])).unwrap_err();
    assert!(matches!(e, Error::Damaged { .. }), "{e}");
    let e = parse(|j| j["quantization_config"] = json!({"quant_method": "gptq", "bits": 4})).unwrap_err();
    assert!(matches!(&e, Error::OtherFormat { what, .. } if what.contains("GPTQ")), "{e}");
    let e = parse(|j| j["quantization"] = json!({"group_size": 64, "bits": 4})).unwrap_err();
    assert!(matches!(&e, Error::OtherFormat { what, .. } if what.contains("MLX")), "{e}");
}

#[test]
fn a_patch_need_not_divide_the_tile() {
    let c = parse(|j| {
        j["vision_config"]["image_size"] = 88.into();
        j["vision_config"]["patch_size"] = 14.into();
        j["scale_factor"] = 3.into();
    });
    assert_eq!(c.unwrap().tokens_per_tile(), 4);
}

#[test]
fn impossible_numbers_are_refused_with_their_name() {
    for (pointer, value, words) in [
        ("/text_config/hidden_size", 0, "hidden_size is 0"),
        ("/text_config/num_hidden_layers", 1_000_000, "num_hidden_layers is 1000000"),
        ("/text_config/num_key_value_heads", 3, "not a multiple"),
        ("/vision_config/patch_size", 0, "patch_size is 0"),
        ("/vision_config/patch_size", 65, "does not divide"),
        ("/scale_factor", 3, "does not divide"),
        ("/image_token_id", 16, "outside the vocabulary"),
    ] {
        let e = parse(|j| {
            if let Some(at) = j.pointer_mut(pointer) {
                *at = value.into();
            } else {
                j["text_config"]["num_key_value_heads"] = value.into();
            }
        });
        let e = e.unwrap_err().to_string();
        assert!(e.contains(words), "{pointer}: {e}");
    }
}

#[test]
fn other_architectures_are_named() {
    let e = parse(|j| j["model_type"] = "qwen2_vl".into()).unwrap_err();
    assert!(matches!(e, Error::Unsupported { .. }) && e.to_string().contains("qwen2_vl"), "{e}");
    let e = parse(|j| j["text_config"]["hidden_act"] = "gelu".into()).unwrap_err();
    assert!(matches!(e, Error::Unsupported { .. }), "{e}");
    let e = parse(|j| j["text_config"]["model_type"] = "qwen2".into()).unwrap_err();
    assert!(matches!(&e, Error::Unsupported { why, .. } if why.contains("qwen2")), "{e}");
}
