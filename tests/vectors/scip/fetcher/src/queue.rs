use crate::Drain;

pub struct Queue {
    size: usize,
}

impl Queue {
    pub fn size(&self) -> usize {
        self.size
    }

    pub fn push(&mut self, size: usize) {
        self.size += size;
    }
}

impl Drain for Queue {
    fn drain(&mut self) -> usize {
        std::mem::take(&mut self.size)
    }
}
