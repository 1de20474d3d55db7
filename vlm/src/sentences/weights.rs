//! The tensors of a BERT checkpoint by the names that it has for them, each in the shape that its
//! configuration says.

use std::collections::HashMap;

use candle_core::Tensor;
use candle_transformers::models::bert::Config;

use crate::checkpoint::tensors::Checkpoint;
use crate::error::Result;

/// Loads every tensor that the model computes with.
///
/// # Errors
/// [`Error::Weights`](crate::Error::Weights) for the first that is absent or of another shape.
pub fn load(checkpoint: &Checkpoint, config: &Config) -> Result<HashMap<String, Tensor>> {
    let (width, inner) = (config.hidden_size, config.intermediate_size);
    let mut tensors = HashMap::new();
    let mut load = |name: String, dims: &[usize]| -> Result<()> {
        let tensor = checkpoint.tensor(&name, dims)?;
        tensors.insert(name, tensor);
        Ok(())
    };
    let tables = [
        ("word", config.vocab_size),
        ("position", config.max_position_embeddings),
        ("token_type", config.type_vocab_size),
    ];
    for (table, rows) in tables {
        load(format!("embeddings.{table}_embeddings.weight"), &[rows, width])?;
    }
    let norms = |at: &str| [format!("{at}.LayerNorm.weight"), format!("{at}.LayerNorm.bias")];
    for norm in norms("embeddings") {
        load(norm, &[width])?;
    }
    for layer in 0..config.num_hidden_layers {
        let layer = format!("encoder.layer.{layer}");
        let products = [
            ("attention.self.query", width, width),
            ("attention.self.key", width, width),
            ("attention.self.value", width, width),
            ("attention.output.dense", width, width),
            ("intermediate.dense", inner, width),
            ("output.dense", width, inner),
        ];
        for (product, outputs, inputs) in products {
            load(format!("{layer}.{product}.weight"), &[outputs, inputs])?;
            load(format!("{layer}.{product}.bias"), &[outputs])?;
        }
        for norm in norms(&format!("{layer}.attention.output")).into_iter().chain(norms(&format!("{layer}.output"))) {
            load(norm, &[width])?;
        }
    }
    Ok(tensors)
}
