//! Hashes of subtrees without leaves, by level: a table, because verifiers need them often.
//!
//! The table is not trusted: a test derives it again from the hash rules.

use crate::hash::{Digest, Profile};
use alloy_primitives::hex;

/// The hash of a node at `level`, 0 to 63, that covers no leaf of the tree.
///
/// Level 0 is the null leaf, `ca2337..1c39` in both profiles; each further level is the node hash
/// of two null nodes below it.
///
/// # Panics
/// If `level` is above 63: such a node would be a root, and roots cover leaves.
#[must_use]
pub fn null_hash(profile: Profile, level: u32) -> Digest {
    let table = match profile {
        Profile::Keccak256 => &KECCAK,
        Profile::Blake3 => &BLAKE3,
    };
    *table
        .get(level as usize)
        .expect("a null node is below the root level")
}

const KECCAK: [Digest; 64] = [
    hex!("ca2337691033ab0a24c10fbc70b49bea8c5978db1a0ec6510e7e97f528301c39"),
    hex!("41d328e2a2e6526c259924e2bfb59e93460143b209a905ee19e3754575aa058d"),
    hex!("5d2382e22874dcea4245c1cff65d418f0c169a8a9f82e9c794b7b95893882f23"),
    hex!("c8713e47260a6e13892777620f4f1378ea434e5875ae4b263652c74906732887"),
    hex!("be4c89f9eb623b564dcfb53b07bbf64532a7e4cda91b5f58217fd9fedfa75669"),
    hex!("b109171978a640fd538a36c6a00e907b965c3308c4f379628cb238eebb6f1e04"),
    hex!("026eb7be2318752776e08765d77828eb7e2c429246af249de5dec43b74d40685"),
    hex!("f2e6d1d123f5b15773e84782030d2109549a8b0d064832d0ce32ef767f160a9f"),
    hex!("9dd316dd34df04f338ad51492b689e13254dfb4fd2eccc7c5f6895218ceed8fd"),
    hex!("4720189d87fa1682aa38414c5a675d6ecc5b777f0930b9194ea0e1f01e6113e8"),
    hex!("3f56df7db4a859f6f3d9fd6579c63db671e129bb2e7fd0ff18b073f93bd5b69a"),
    hex!("1144571dba9ff155641479d8a9a9d8c80ecf0e0d45e5bfe51a0b028fc469c53a"),
    hex!("9c971239a15caa073be84631eb1d2c6e1237ad4769209b50a35b256a9bbbdfd6"),
    hex!("067c58d9d9a747ab05ad89e26659a0eb7432514b85b93a35c6d07696bc055849"),
    hex!("b30177d4a5fb51da7e81f273b22ef695b99485c24af77975bd4786e847e531b3"),
    hex!("9cbfacf75b2513f357f45d8940d55c9a85f39b7f8bbeac4d53355763989047df"),
    hex!("892857f5bce031d12fb8bb0d4462338ed77d0e57f28ee4bb7d5a7542e5f85fd6"),
    hex!("95bdea8d444534fdf9fcea2ad512c6d68c95adfce609738bb1b86f60b56e88c3"),
    hex!("e8d144cd9801765280036db6bedd15aade5e7966891f604e4ebfb4fefb91f231"),
    hex!("db3e2319c2b94ff6c7c71af9ef6f092e3787fa326fd2d4ac1bbccfd7abf38503"),
    hex!("69446b24e25368af4cace2adac5cfeffea8a7ed5a9fee83ba6535e6a731cfb34"),
    hex!("76ff2e53230cb463e7dfa825c19e8379594eeafa950143ce906806138118d0fd"),
    hex!("cbd31b5ecef55ed292640bd0c81b71e6b74f9d4fb4f3f97ab51f1d093c5c668e"),
    hex!("410f13afcfe572c561f90d3bec0618e99356a9d9557f2a3a31ea98828618d1ef"),
    hex!("fa80fb9e70a08b513dfcc84e8c79ba4c4d7983ec1eb0cdf7a5687e9b297b3bd8"),
    hex!("7faf2cc22be5d24e78343857e81325d9b86513152b5dc40fd909f12775c9b526"),
    hex!("c9f25a52b058603b426d821ca939a1d62061b5c6ba9cf8a9636a0513ece88b8d"),
    hex!("c777dd253a6a5f6ffa27613e70f4301f6eea28c3d15b5335fea49c9330f08f23"),
    hex!("ef7ba0a1e37d7d71904b06905bd88ac47e9af319e9369466044ab37e7f995aaf"),
    hex!("36c126b3eaed5bd019b13bed8e7015340ec771e1d2f1b7f8a362553d7d717e00"),
    hex!("62e44bae84ba02d50438e46dd634418aec31c2dd8be1e2f4804d7d1af2d3685f"),
    hex!("c33b98d37e2bd537de1aca65f11d7ca8ec61d3481760c048d7e80d0d6e8b82c6"),
    hex!("3747ea251cdc4fafede6c69d8b36c2e7b161eb6e0d9ea4f035788a4493bb4e0a"),
    hex!("39a6756ba916caac385983924fccacf0509b059e3a226f4f92f545f599a4f967"),
    hex!("0480317b5804453b79eba232c69dca17a0700598c217d636a127de7a07a310a8"),
    hex!("ba9f3147f802bf99b2366aaba2f80d7f286896cb59bcf6f897082b25ac363db5"),
    hex!("441e3d62d1606aa65e9f6aa1d573c9b98207e18f10a4240ee113e0a742f79ba6"),
    hex!("3ff383af4b0d0cd60781a6a00b9e73046f3e17ac4e2bc959755ddc2e5e7391b9"),
    hex!("c26f9dde5f36fc7b02ae2c2909c23d4f95dda64832aa79d0afdaae7c877c555b"),
    hex!("df08133f32d4094fd996bbb1be00584b2c42bf175dfc74f5efa499a86922c4fd"),
    hex!("27f2cc06ffd2f55d67651dd4681eea1c0b98aa1b0a8ccc9b4bcd4f51d7923ff8"),
    hex!("4cf9a042e833a51ff6ac6cb0af0fc758a85f03c3e48c57fea949dd3ada92f7ad"),
    hex!("6dbd41ad649779402f630e46d9b3b0a3513eab9d1eac3a957249a425673a5a70"),
    hex!("667df7844559f978cd3094b0a2e88b94c416362b8934d38df6fc594be23a7445"),
    hex!("8756ff5c08c903268aced12d52e8c72cb58a10288437c139feaf1bbc82857cf7"),
    hex!("d4e53ca4a22e508b46b720f91ecbbfbc31179b78743201398a01d15c11feeb45"),
    hex!("d84a43d9d39854a9a4f2f718923e0813eb5309674e2b6e777b7e2893fead194a"),
    hex!("8fe2b7abfbd5412afe04f1c076c71485f689b305e4b152423320fdca1f26a99b"),
    hex!("3c0edac257dd893bb7dc97bcba45c129ce124d1e43ec44157243d5768ae4f8cd"),
    hex!("1b5c4d6c4941a9a4e3d0128285f6bd5334c600aae33430b33681639a0eee310f"),
    hex!("2151063333f525ad2c4840d1ac385d68755edaec51231f396f049d4c652e6037"),
    hex!("6427e20304b6fc87080ace369b5fad759e44deea1a8d7f9281dfdb888f8e2677"),
    hex!("81e7a7a8dc9d88ed56ab489c84a1bf8935ecac6c82069bf845752922038d8f4e"),
    hex!("4cdb4610ad4953731eb958fbe042dd0810b947428c117ec1da33aba91eeb6267"),
    hex!("8980b79e5d6104622a5608364d284c9809dbffc0bc2a7425b6d15724be9bb865"),
    hex!("fa2d58c2f794f3295fd11657f5c7a7a0b775130814f9592fe462e12c5ef71578"),
    hex!("59e2f6e83b044ca80d2dca27d7f39b0466824c6a13f56d6f581e33efb6bc7542"),
    hex!("08ca205260e187dc49bb3c770a84f06b4dd5afd05498bf7eb8844082c861dfcc"),
    hex!("7be40b4742f7885e4964faac3aec3db7c479ba2665dbde080518f9a9ceb9d222"),
    hex!("5b12b54b2aa7374a2711d6e9498d9810b6ae16d524249e33cd63a2fb371894df"),
    hex!("1f2cd4e85e8ac70b50239681885d0166b81dc25bc099cd2286d77d808d56294b"),
    hex!("ff0c8ab0d42b9984b56421bfcd61ba6559f8797626ea509a8f1d4e898998109e"),
    hex!("c9cc35f46e0d3402247ec5bb42187040424e4a255cfb780c26ac84f89e4e9bb2"),
    hex!("3731528d446dd67566b26e6614a728aa6d7f47a2ce760e8235acaced5592c7e5"),
];

const BLAKE3: [Digest; 64] = [
    hex!("ca2337691033ab0a24c10fbc70b49bea8c5978db1a0ec6510e7e97f528301c39"),
    hex!("a8cba16dfaff9a8b7ae906b57b5dbfd19aa24cbefd6cb06ba36b326e385e0933"),
    hex!("f727b0ef8ff5b3de49043095613030a277681eb50091450826db61a10d00c258"),
    hex!("5e9d5a1f2c4cfaf87b710eab55415ce23630c2f71e42fe3365aec9438b7d6c28"),
    hex!("8905f89cfb68c3a5728ba3d6e02c3db6bcdc6adbe5223c316c9d476b5d421750"),
    hex!("06db017148c996c9e3eaf5eecf00b92325eb152504da20fccc87c6a4ec80bfec"),
    hex!("08c2e546849b1c0c956cdda3b6d9b8c44027b74d8b2e082baee8a163d61bed51"),
    hex!("5298a466ce5c44b5ef88afb2f38f69b7ba9698dc250be810d3d8655ef4bedf9f"),
    hex!("538184f4a23466cb379a2a9d33db171d18d2a7c980e05b8c59002285bd279b63"),
    hex!("85107ef419099bd3ec4cc5c08905271e1eaf7e15eacadcb55e6746de8e40291c"),
    hex!("6638df100840619cab07983448b982596515b39bd2c5430f76fdd243aeda33d9"),
    hex!("770dd2ea5015abb3d2af593ce9d7548c79ba4354f04a988e951156a850cbdbfe"),
    hex!("13d18bc070a5910fec10a548daa1b26dbfdadc4778e0c37ec010990c5644275d"),
    hex!("fc61624c597475d42f61f4d3740caa99b10cc5315945fa758fa23d393139b49c"),
    hex!("8382ebf80d5a8b789c3976f944c007331dcaa3d2a8362336a418607dccd4aef8"),
    hex!("44d597d3bebf037a1118ac8886aacf706d860c580eea143ea3e3aa7481341019"),
    hex!("c32c48633c96fddf4dcf1a4c2f5447c36c5ce101c447ae9c039f9f6bea406bb7"),
    hex!("1ab98bbc7032a1f7edec9f9db05566f3c41fa56c309a7201f386adaa33babfa3"),
    hex!("5052cb42528631c9ad63d81dc25b05c0deeb2dda0ba032fa6146e95b28d1bbcf"),
    hex!("fc6ace178b96845bc595c932869788b23f4d9d579916a1540d1d20c202693776"),
    hex!("f5c721f8b9bacdc69b072a0a2eb7caa7434ab221db7d2891fb9aaeb1ef4919d0"),
    hex!("81335e4ff3f8e7becb01ce95930a37d7328e4e06f4909603f7765f2ef71541c3"),
    hex!("2dab37033fd2deac54b449ef33a162c84a80f1d5acad5cc2c30208d855b42472"),
    hex!("c7a1eb43b9044a96cf69422868827fca441275c74b8e31a5af2a94326c3128ce"),
    hex!("4ebb922a254ca3c42b5dbe8407e02b0eadbe131b885af37c9c1957392f433da5"),
    hex!("e0707c03a4706100305315b16bd0b4dd25bb872d769eaea31a943377fa4c9f85"),
    hex!("913801a452bde243a74f6de3b72576c82c6167efa18e0d6b7fb2af7ed8539af6"),
    hex!("01e5284e6136ce7bdb74cd1a09b0089f1979750b07f4a971199b84e07cd7a935"),
    hex!("faa7557b8aa13fdcb95137d9a33f8d5b9fbc858f0881d74a67f0adfb6a9c9b21"),
    hex!("3cd511d03d3173afefa327e318afc1dc06e433eee12911427fc63f1fd6c39093"),
    hex!("7cb9a6be97081ee35baf45afea341f0c54ea089b91eeef104960fbcf3158a32e"),
    hex!("d7093dce2d84aeedab7139daea91a2b472bcd1eff3116114ed700b364d785c1c"),
    hex!("ae9220f5b13ee5f8ba7f56b2eb3953786730faa03021b8763e279ea0a5c2d8ed"),
    hex!("41787d6ef747c16cddc617a7aad45b75f65c2e245c3fb81f949c41acc85b57fc"),
    hex!("a52edf50ed9b1000a7e4516018c0ccb8c74ded0360854760a77d2efdac0c0f84"),
    hex!("b01e405f5b7cbd3e5fb264fb26f282262952f1e11fb6920b8d517966244e92fb"),
    hex!("29ad868e6abf8f66de7d07333cf3a4d90ae580f09c0acb8ee21f55a56e22f707"),
    hex!("c52060e457c0fddccc24a539969de5ac32a2fcb51a2c5b5b0f7258c5845bf6d4"),
    hex!("fadecdf9a607278977ff6e3e8d3d49d3bbbfd2bb384fbc4672505db779d3e8eb"),
    hex!("6d7d81ab4da8ba57bbebc9906646477687addd78517c466cd5a2becf255fa4fd"),
    hex!("48eb430e58f0c98e14b7aff0964334bb7845627826eff45f135b2dab88c0cb93"),
    hex!("18512629a2a6a633f2e27bf61706ccb6de34d8f76725466ebae2bb02d411ae9e"),
    hex!("375ebe7a066f02e159bb1d2c2691b0f92328ae9698e11f9c751a4430c8382719"),
    hex!("bfce07d4cb437b649db14151b213003968d73ca2699c06c8ba4d6b6e430f7c5c"),
    hex!("3f28cfb68e516a220c37ca7dafae631b727e99a3cbbc46a8a07a0af3e13b16d0"),
    hex!("7ac68bb37812282429600148c516f856c12512fe0dfd00daccb5cb7958487362"),
    hex!("23fd18382cc7f297b94ff0f28296bc346e5abe8b5820e92d16084abb1d8f718e"),
    hex!("cc1ab02103f0c9cb03151d7feebf037ed359dd50d3c72ab83bff67e2749d1a50"),
    hex!("dd4322a82a7657937b54a087ef62e228e311fc2cdcfdba5411883609aabc66bd"),
    hex!("64c09154d6c9b53f1e4ec045659b23e14aec016bb6cb03fc128461fe053c149d"),
    hex!("198d33e1dacfde3c2e07ed5777ab4fa2da626f6e9e38980ab880fe76d2343036"),
    hex!("3e9938f3a1ad304a335bd452754c23795139759232d8b6cccbebe12444156509"),
    hex!("017a0c46ed0c4ef611e0009795d55684fd19f04ac4dddf07687cf309ffa49062"),
    hex!("51958a7cfc1a16c4564efcc8c018c00f60b18f29226164cfe8251975ff87de59"),
    hex!("328e1642a31c698299e32bdad321e8fdbc2d45e362cb4c65da8f83dac00fd79c"),
    hex!("f8bf694b6f2b2e9fdd6b4ea2d9e66036bc3e810045d4a8039b79e1a3ad1ebe4d"),
    hex!("bf8f3bdd772bd10a59e5596d6c65bb0295889f4926eec7bb7f0bbd6f4eb7d188"),
    hex!("3c5da27cdeabd49d8873d0f938111c6d9da9a564f9bfcca77ddf622348a731d3"),
    hex!("62663177f80c510b488186ca108bc5cd6f4f4f6a37c03acc6566484f8db0dd8f"),
    hex!("6303a876b74f9b75f14d2ad6c6ff04b1f2def9a3a43645a7f91f4c743e11b29d"),
    hex!("0cd1cab38d8722434c1c56a618232f604d134f5731e15047d8e755f44c7fd07c"),
    hex!("9948e3eb108f269e96ce58a7e994ca9337c7ac3e890ddf99a9a8640a8420831b"),
    hex!("6fc569d18ca0063aefea5804b9651e78d93fafb639803ec721e1168639dc26b9"),
    hex!("4224be1c42a86eda5e5ffdcdc547f3b61aaca44c0a5198d59a01436f9c214950"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{TreeHasher, level_tag};

    #[test]
    fn table_follows_from_the_hash_rules() {
        for profile in Profile::ALL {
            let mut node = hex!("ca2337691033ab0a24c10fbc70b49bea8c5978db1a0ec6510e7e97f528301c39");
            for level in 0..64 {
                assert_eq!(null_hash(profile, level), node, "{profile} level {level}");
                node = profile.hash_node(level_tag(level + 1), &node, &node);
            }
        }
    }

    #[test]
    fn null_twig_is_the_published_one() {
        assert_eq!(
            null_hash(Profile::Keccak256, 11),
            hex!("1144571dba9ff155641479d8a9a9d8c80ecf0e0d45e5bfe51a0b028fc469c53a"),
        );
    }
}
