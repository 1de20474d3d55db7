//! Views of which the features were kept: looked at again without their pictures.
//!
//! A replay asks the same questions of many such views. Each is a trunk with branches of its own,
//! and several of them go through the decoder in one pass: all stand behind the prefix, none sees
//! another, and the weights are read once for all.

use std::sync::Arc;
use std::time::Duration;

use candle_core::Tensor;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::input::image::Grid;
use crate::network::decoder::Segment;
use crate::network::features::Features;
use crate::session::Session;
use crate::session::branches::{PASS_TOKENS, Scored, Scores, plant, read};
use crate::session::view::View;

impl Session {
    /// Takes a picture of one tile as the view whose features were kept, without encoding it again.
    ///
    /// # Errors
    /// [`Error::Picture`] when they are another model's, [`Error::TooLong`], or what failed in
    /// computing. There is no view then.
    pub fn set_features(&mut self, features: &Arc<Features>) -> Result<()> {
        self.view = None;
        let ids = self.kept_ids()?;
        self.check_features(features, &ids)?;
        self.cache.rewind(self.prefix.len());
        self.view = Some(View {
            tiles: Vec::new(),
            ids,
            features: Some(self.model.restore(features)?),
            kept: Some(Arc::clone(features)),
            is_pending: true,
            preprocess: Duration::ZERO,
            vision: Duration::ZERO,
        });
        Ok(())
    }

    /// Scores questions about each of these views, as [`Session::score`] does about one, several
    /// views in a pass. There is no view in hand afterwards.
    ///
    /// # Errors
    /// As [`Session::set_features`] and [`Session::score`].
    pub fn score_kept(
        &mut self,
        views: &[Arc<Features>],
        questions: &[Scored<'_>],
        cancel: &Cancel,
    ) -> Result<Vec<Vec<Scores>>> {
        self.view = None;
        let ids = self.kept_ids()?;
        for features in views {
            self.check_features(features, &ids)?;
        }
        let branches = self.branches_behind(questions, ids.len())?;
        let together = PASS_TOKENS / (ids.len() + branches.evaluated());
        if together < 2 {
            let one = |features| {
                self.set_features(features)?;
                self.score_branches(&branches, cancel)
            };
            let scores = views.iter().map(one).collect();
            self.view = None;
            return scores;
        }
        let mut scores = Vec::with_capacity(views.len());
        for views in views.chunks(together) {
            let (mut all_ids, mut segments) = (Vec::new(), Vec::new());
            for _ in views {
                let trunk = segments.len();
                all_ids.extend(&ids);
                segments.push(Segment { len: ids.len(), after: None, wanted: 0 });
                plant(&branches.0, Some(trunk), &mut all_ids, &mut segments);
            }
            let features = views.iter().map(|features| self.model.restore(features)).collect::<Result<Vec<_>>>()?;
            let features = Tensor::cat(&features, 0)?;
            self.cache.rewind(self.prefix.len());
            let logits = self.model.forward_segments(&all_ids, Some(&features), &mut self.cache, &segments, cancel);
            self.cache.rewind(self.prefix.len());
            let (logits, mut row) = (logits?, 0);
            for _ in views {
                let (told, rows) = read(&branches.0, &logits.narrow(0, row, logits.dim(0)? - row)?)?;
                scores.push(told);
                row += rows;
            }
        }
        Ok(scores)
    }

    /// The ids of a picture of one tile.
    fn kept_ids(&self) -> Result<Vec<u32>> {
        let ids = self.model.prompter.view(&[Grid::default()])?;
        self.model.check_length(self.prefix.len() + ids.len())?;
        Ok(ids)
    }

    fn check_features(&self, features: &Features, ids: &[u32]) -> Result<()> {
        let wanted = ids.iter().filter(|id| self.model.prompter.is_image(**id)).count();
        if (features.scales.len(), features.width) == (wanted, self.model.width()) {
            return Ok(());
        }
        let (rows, width) = (features.scales.len(), features.width);
        let why = format!("{rows} rows of {width} for {wanted} of {}", self.model.width());
        Err(Error::Picture { why })
    }
}
