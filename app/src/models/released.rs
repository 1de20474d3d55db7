//! The released models: what people call them, where they are published, and how large they are. A
//! new release is a new line here.

/// A released model with a short name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedModel {
    /// What people write.
    pub name: &'static str,
    /// Where it is published.
    pub hub_id: &'static str,
    /// Numbers in its weights, computed from the shapes in its configuration.
    pub parameters: u64,
}

/// The model that people get who name none: the smallest released one, live on two CPU cores.
pub const DEFAULT_MODEL: &str = "256m";

const fn named(name: &'static str, hub_id: &'static str, parameters: u64) -> NamedModel {
    NamedModel { name, hub_id, parameters }
}

/// The model that search by meaning takes, and what people call it. Stored in f32. From its file.
pub const SENTENCES: NamedModel = named("minilm", "sentence-transformers/all-MiniLM-L6-v2", 22_713_728);

/// From the models' own cards. All are stored in bf16.
pub const RELEASED: [NamedModel; 6] = [
    named("256m", "HuggingFaceTB/SmolVLM-256M-Instruct", 256_484_928),
    named("500m", "HuggingFaceTB/SmolVLM-500M-Instruct", 507_482_304),
    named("2.2b", "HuggingFaceTB/SmolVLM-Instruct", 2_246_272_880),
    named("smolvlm2-256m", "HuggingFaceTB/SmolVLM2-256M-Video-Instruct", 256_484_928),
    named("smolvlm2-500m", "HuggingFaceTB/SmolVLM2-500M-Video-Instruct", 507_482_304),
    named("smolvlm2-2.2b", "HuggingFaceTB/SmolVLM2-2.2B-Instruct", 2_246_784_880),
];
