//! Huffman codes, made exactly as Erigon's compressor makes them, so that the same words give the
//! same bytes.

use super::code::MAX_DEPTH;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// One symbol with its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) symbol: u64,
    /// Bits, the first one lowest.
    pub(super) bits: u64,
    pub(super) len: u32,
}

/// A node of the tree while it is built: a symbol, or two nodes made before.
#[derive(Clone, Copy, Debug)]
enum Node {
    Symbol(u64),
    Pair(usize, usize),
}

/// The codes of symbols by how often each is used, in the order of a dictionary: from left to right
/// in the tree. `None` if a code would be longer than 50 bits.
///
/// Symbols are sorted by (uses, symbol with its bits reversed). The two rarest of symbols and pairs
/// make the next pair, a symbol before a pair that is as rare, an older pair before a newer.
pub(super) fn codes(uses: &BTreeMap<u64, u64>) -> Option<Vec<Code>> {
    let mut symbols: Vec<_> = uses
        .iter()
        .map(|(symbol, uses)| (*uses, symbol.reverse_bits()))
        .collect();
    symbols.sort_unstable();
    let mut nodes: Vec<Node> = symbols
        .iter()
        .map(|(_, reversed)| Node::Symbol(reversed.reverse_bits()))
        .collect();
    let mut symbols = symbols.iter().map(|(uses, _)| *uses).enumerate().peekable();
    // Places grow with time, so among pairs as rare the older comes first.
    let mut pairs: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut rarest = |pairs: &mut BinaryHeap<Reverse<(u64, usize)>>| {
        let pair = pairs.peek().map(|Reverse((uses, _))| *uses);
        match (symbols.peek().copied(), pair) {
            (Some((place, uses)), pair) if pair.is_none_or(|pair| pair >= uses) => {
                symbols.next();
                Some((uses, place))
            }
            _ => pairs.pop().map(|Reverse(pair)| pair),
        }
    };
    let mut root = rarest(&mut pairs)?;
    while let Some((uses, right)) = rarest(&mut pairs) {
        let place = nodes.len();
        nodes.push(Node::Pair(root.1, right));
        pairs.push(Reverse((root.0.saturating_add(uses), place)));
        root = rarest(&mut pairs)?;
    }
    assign(&nodes, root.1)
}

/// Walks the tree from left to right.
fn assign(nodes: &[Node], root: usize) -> Option<Vec<Code>> {
    let mut codes = Vec::new();
    let mut todo = vec![(root, 0_u64, 0_u32)];
    while let Some((place, bits, len)) = todo.pop() {
        match *nodes.get(place)? {
            Node::Symbol(symbol) => codes.push(Code { symbol, bits, len }),
            Node::Pair(left, right) => {
                if u64::from(len) >= MAX_DEPTH {
                    return None;
                }
                todo.push((right, bits | 1 << len, len + 1));
                todo.push((left, bits, len + 1));
            }
        }
    }
    Some(codes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (code, length) by symbol.
    fn by_symbol(uses: &[u64]) -> Vec<(u64, u32)> {
        let uses: BTreeMap<u64, u64> = (0..).zip(uses.iter().copied()).collect();
        let mut codes = codes(&uses).unwrap();
        codes.sort_by_key(|code| code.symbol);
        codes.iter().map(|code| (code.bits, code.len)).collect()
    }

    #[test]
    fn codes_equal_the_published_ones() {
        assert_eq!(by_symbol(&[1, 2, 3]), [(1, 2), (3, 2), (0, 1)]);
        let published = [(3, 5), (19, 5), (11, 4), (7, 4), (15, 4), (1, 2), (0, 1)];
        assert_eq!(by_symbol(&[9, 10, 90, 90, 101, 200, 400]), published);
    }

    #[test]
    fn few_symbols_and_too_uneven_ones() {
        assert_eq!(codes(&BTreeMap::new()), None);
        assert_eq!(by_symbol(&[7]), [(0, 0)]);
        assert_eq!(by_symbol(&[7, 7]), [(0, 1), (1, 1)]);
        let mut fibonacci = vec![1_u64, 1];
        while fibonacci.len() < 60 {
            fibonacci.push(fibonacci.iter().rev().take(2).sum());
        }
        assert_eq!(codes(&(0..).zip(fibonacci).collect()), None);
    }
}
