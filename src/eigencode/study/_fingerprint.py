"""Hash of the code behind a result: the modules a step imports, without comments, docstrings, layout or error texts."""

import ast
import hashlib
import importlib.util
import sys
import sysconfig
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "eigencode"
DISPLAY_ONLY = frozenset({"eigencode.base.progress"})
"""Modules that affect only the display and no result; they are not part of any fingerprint."""

INSTALLED = {"site-packages", "dist-packages"}
"""Folders of installed packages: their versions are in the provenance of a result, not in its key."""

SAME_RESULT: dict[str, str] = {
    # models.layers, models.softhebb: rectified powers without `where`, a faster pool
    "578947efd32cb7a88699c6bd698556cf679152f7441812ecb4617d1e7afff20b": "3751cc47e3cea8344a22f41d13fb9b17f6555670cfdeca4255dfb15bfb59c814",  # noqa: E501
    # training: inputs of local layers in one pass, in chunks that fit the cache
    "ab07bc80aa1b9ae1e972a92c7f71b69e5978446eae0c4420e7cbcd946f279274": "f4896eab7034b1c2cac58970a139a4acf6eab23eb325661a7609c45175602320",  # noqa: E501
    # spectra and critical sizes can also be measured in shards
    "58e7b608a31c2a2b8088d2cf2b6f8715acfab47efc176d2fd6256edf4e0a53cc": "d64d0e22d15bc474c2c091744fe7227baeccbae7ac8d51973802ae00d2c40eaf",  # noqa: E501
    "6bb30c871211fee8e430e3d38a786ebcea0dd40215e672f75b93e157d4ef652d": "db67a0949d3cf3bc441ef7cc5674732ae82a6d84c6ed51eef07076530f3e7fb4",  # noqa: E501
    "5c636c42590566e3466e20c5396e1b28fa1ad3e27fc01029a42ba2005cfca5e4": "91c1d40391a670edaf5072ea2ecd9014bfccde3713af8905d7750ec2ab9271bc",  # noqa: E501
    "17973e6f9dd6fba4e4930610f5bc07df3c7949166a42ed665f418550933c166b": "",
    "4983d7c8a4fd329737e493aa0465c283c1f8965c75d2288f2c2175fa01d71b34": "",
    "f8d179e4a277b79e1f592aef1e6e7e97f84adcd71a1f7cbf6d93eaf83ac0ae9d": "",
    # models.builders: perceptrons of tanh units, and with dropout
    # measures: what a measure is defined for; examples.residual: a name for its code
    "8b6b878c7fbd0bc1eb5bf7c021dce96d2da06864ba2a075a2a04c8189659bf2e": "f2cc76550bcf5e1ef50cea70906a8f78de487e5e5c2284cca54f684b0b19fa93",  # noqa: E501
    "8816d84a0fd3834e8be8ac3dc1a040d4f21526468879af9e26b0e7ba2c304849": "0e2e699d0e6f49c5839d741049d6d41341e67ab7be7ad4493d39476bdea8a43b",  # noqa: E501
    "8e4dd8aa06042e9ee93c69e67fbfdebff3ab8360c07746ec096c123da290e078": "983a4d5dd16ecb76d3a40f32386992598986411a795a020280186c4e37bbdd5e",  # noqa: E501
    # training: checkpoints of 0.1 are continued
    "849837138713f7e6786e3efe9dbf90f5fde1225dc6d4eb68c78b3cfa7e3896ee": "89ae1a352eaa90bdf09cd39334cfe0d4825354574da63cbb935b39607a9f011a",  # noqa: E501
    # base.errors: suggestions do not depend on upper case
    "60018a359a925027c958c90403fd833dc1d7bbdbbfff5cf7f217d75524854780": "90b311bb8eb17ff34836a7711531cf1501bf8b2ee40a5ac0680862d481c77103",  # noqa: E501
    # other networks and data: shared modules, second names, one memory, half precision, default types
    "d3ebf92415af7201d56361b11205e1293902099b719bdddcf46e0b1232bc432d": "f36fb535dbcb9495ef013af7b0aa6c54280c71aeb655e9dc7ef361f07c1633f7",  # noqa: E501
    "eb46718e4a12a160cd2a4cc24c17a02892543448c081e642841d3305fc7f6b38": "5f59397e9b2c67e45d343067b4e1e5f25712b8cf465f95368c357004b55b902d",  # noqa: E501
    "33dfe8c3ef9628de24c947cd5cc2e9439f5bc4bc5cdb5bcdddcd965b95b31724": "751e16155cb1e998292b0dfb3596c2d8c7dd9410ffffc29dc4a208ab82cda23e",  # noqa: E501
    "f9f759018e91b5f865cfc782436cafdc960c4bf5902b057e1574b52aaff6531f": "d3f3e61512425314e537d42a7a529f32ab165cf877c31f92affdd21135a0c50c",  # noqa: E501
    "e09637b8f60b9e6235cafb7ddce88e016bb8ba0e602f49889cbf6ed10ed0c593": "aa7518af8646bfacf3760431657b415155cecc75284a658c40774e04b49b3951",  # noqa: E501
    "8c8d856d6cd4ec7bcd9c422a8cdc5a332fc2d3186084a56a06c8aa96fedafd6f": "81bf7f38ed8dcf105704123f41742f8c9e7a50fea7e233e0aa3e534429bb0734",  # noqa: E501
    "f60f6ec40818d29dda7307a75a09b26f9161f115f6214f7837ef1f0e161d7545": "bbac9e01a49549af8a5169d64c398cde47632784a981fd2b68c71781e4269d47",  # noqa: E501
    "631d8cf92898809d065b73933d056248172adb317d55d70e0e651753af4ee634": "5015824e18253ef0d9307e0fac71056253567d0ae7559b4129a3b206ef5e1b61",  # noqa: E501
    "166d41f4dee697473e958f241e54a1a1bedfb34274bab518e448bd5d0548ab50": "57c60133f04a314509764606c43fab32875598645596798d7f34e2e898c363da",  # noqa: E501
    "dc6713d3f2678244ff872e8e0a06aa42c062af7add71ee29f67028419f90a93c": "4cdd97ad4479c5a399d53a70599503ee9a7b82613dc552868297b357abefe98a",  # noqa: E501
    "000337bed2806929ff7510d3253292f8739e0b49bfdfc83de192ab80573b31c4": "4edc6b13739471247fed1980acb4c389e3de1cacb4c5de88e39c8ee4556362d0",  # noqa: E501
    "d1e7fbd58483471054378a6159e063c44c531d08ed824e80ccfc33ad3fe9fa35": "fc346e529f55032758401a6a752957dc1b7b1243fd8b658e11221e2f3744e2c4",  # noqa: E501
    "a11741a90f7a53a35c3e26644c354ff1bd4f0c66146297212b5665abce3a2fe2": "1dc007c226129edb3e19bce3e268459351d91ba3e3e90224e910148cc11e2246",  # noqa: E501
    "ac338f5b9a0cf4109134b7d6c56c3b8b3db0982de8896cd52e1c06e431a4c425": "bb16d44def6d93587e1b7a420af6259beb49c939efaf891fd86e3cfe0b294e7f",  # noqa: E501
    "f922c1b4a7f8e18adb4dc4cf93aec40d5aa0d23821f9ae03742dfc04b383dfdd": "b3a8fc7e2124b6dc2ca9754492f3eaaca6046afc97c2890770de2373a40beff9",  # noqa: E501
    "b224c22b0589161b62d2f2c4deac7107b080b4196f10a9302419ba700d86564c": "580ed87e2ba9cf20b23724963c88d4c9bd8ece50e35bd962b01391de6b7bb766",  # noqa: E501
    "7d686e096677d8986f6e71e107af3ce2f6cb4b6623261264386a748734600909": "e699ba095335047eb7d93153a2c6152d933daaa9d82c0a87acc898ab68f6cd32",  # noqa: E501
    "0ae77328688546bccf779f5aa3032d46532279311824ee26ab0bff609b0c538f": "2b0fdd0c4a77f4a97c87d4dfa85168c7b70e31915b668f3e0ca415e95f1d35d1",  # noqa: E501
    # errors: wrong types, files of similar names
    "26eccdcdc1e5c12e0d014e0ba20ca2da4a83828897b41951fea6350a0ba27fc3": "3f10d41e21733373f7b9b410b39734120dca4bc71005607b6aca79a2934329ae",  # noqa: E501
    "8ab59457b015e04bfa0dfb8be1ac99667ede0fea7e53205aae89dc39044c3303": "62e25cf590ffebe812dfbb5de2eae2ceecc68472f0d07c194c261cac9a0ffa78",  # noqa: E501
    "d565bffd17af70455d928991b14fb2d7a182893040a05502202dc2904790aad6": "",
    "20d70a8ebd08cb42bc18c200b1bd0cd824bf1a2a11f0d92d2974879b32a42951": "a99b8d422b852647b985b0c82e8f5ffc375e29e8dc8cc88f87daa53e9ed89a2f",  # noqa: E501
    # training and studies: starts of local layers, layers that are copied, penalties of others
    "96530e78ea3e9103356377948fa79851564b54f0e7b86864417fb4c9747f18b1": "d54c15a6cd07a2b34ffe1ea744cc981b968a906d0a89a68518774cd85f264811",  # noqa: E501
    "ca3902f8bd0c8f20861d11441547b65b586e4d3639a51e55dcc451d7289af4e9": "2191aa187d1c4ec072e2b095ff79385804f449c4c1a3dcc81ae3628ed2df2de9",  # noqa: E501
    # models, geometry, representation
    "1145c1c9ced1d9bfb3ce54751fe0f9920c1dd20a4b221d736e42cb0012b7d7d3": "6da0f1bdccbe437320d19fddb28b910c03af3c239526a316625fc3e825d78047",  # noqa: E501
    "166d0da86939575baa41aa35f8ecfd4d3168c1b8b6b4ecb6362bf0a27ef60815": "ab4f098b5db76f12bf78659d36d030aa46e82794821a528ff51899b82d86ed5b",  # noqa: E501
    "83ac4d5b2d7e495f8e1855de57d0f4c2da46b0a1b61fe99d91ff22b131f8f90e": "dd92b02c2997655e9090fd2f163bb88051b22745e23adccaafb7cebf4962b6cb",  # noqa: E501
    "521303716d0fb2c916646af0b0d72c709d1e8443a5098d42a044b2ca2ee85d78": "fb784306ef40bf9fcabfe1ec4a4f2995b7831ef28c17ae172f3545033f20ef00",  # noqa: E501
    # after a review of the day
    # local layers called once, zero images, noise alone, a success counts for the eps it was found at
    "15b55386359a5cc60b18c24100ba34ddec7517941220821d6186c09fddf9c886": "9ba7ea945aee3340f889767e0d53b13d9566c21070cc8718cc007ea39551ff72",  # noqa: E501
    "042dc52ffc8903de93e635e30656f58ede2c7c7da090c4c527a0b680ed4b940b": "9c9c520cc1ddc234039cf12c923de2ffd53b5d0e1101aadfee9cb0f35c204d86",  # noqa: E501
    "dbcb034b3577edb7a96b204a05f3e3b743c63068b97e3709ba702d1e32debd9e": "9c1c41547bac7611aa79a47ca9164557a58719b4180132bc1e8c14d67929517d",  # noqa: E501
    "c55fe797cf5d37c24f33f61881a0510e75b16e71b41c6149a5ffbdecaf992d3e": "31a04929a2215a7bc0b150ce5575513479ce31fdde8b2a74920e7f80cf25df66",  # noqa: E501
    "2b5ae90401debb0e79015fcb1478eb6eb9f51d1dcf4e013d53690f787b46026e": "bbf70be123a3f940ea0aa229c7b4a24aefc439d32fd32a5e5ca83c88ecf2ffbb",  # noqa: E501
    # few stimuli and groups, constant units, missing labels, eigenvalues in float64
    "3d18a88c5eaa54156fa7bdaf34b175ae14a2a571478d244f1f0ff02ed3a1b052": "cd00e6854401ecc543e4131141873ced9052978689b869502f899a07cea97f27",  # noqa: E501
    "7f69001ceab2c74227072d5808023644d515f52f8a474d5f42f5230559bb4ca4": "3efb9788bf014b0e2d9baec69eab7ad48d2d8e1d02fef0fbf6d35efa22833c91",  # noqa: E501
    "552f91a7f7718235999f946c570782f5f3b04bf801246eddab6983ae3444baa9": "ac22c31209567cb7fc3426459745ab9395b4c5f5df2b0d12be3841f677c122ac",  # noqa: E501
    # networks, rules and callbacks that do more than those of this package
    "531db117decd78bc4ae960d4017fd5ab4597394b0b00aabdd74099cb5a78d251": "0f7d657f1e7ac312f0f4c590eff12c76cc6451e11d9ed479d18e6e19a165f18e",  # noqa: E501
    "d71937808e029ca1d889d78ac24de1c71ba473ada7534ca58cbdf52b2d337c39": "06eee4f59c312ae8bc3add48ae94edb235cdb3a33f7b54a849b788a024231fd7",  # noqa: E501
    "c3b65113d436b4c50090cd2764714c19f6f41bcee4f64d37d4c9a6fcd368f7e2": "4acb8a26fc22fae1528098c4652c077f76528cbe99bbfa2040ec5adbd53c138f",  # noqa: E501
    "5131b97ab59e1c0c9eac7dac2e81759b86a30dfe97feaf7f8dfd105656763b7a": "3d7ebb6587ec03fbeef92a24b3ae94586cba41dfe9449e7b905f664caabca015",  # noqa: E501
    "2e9d9a52f9194000a885be25532516a982cecce99ea56859116e7f504ca2aef8": "b1d120e7761f43578d03025ae8f561b064e7e1bb74881e4e9158ac42197cba15",  # noqa: E501
    "0126be07c3e4d2fcf4650433114905ad6bab96b17e50cb25dc9f7752a907d3bc": "14777fa2e7ecb906a42588bcdfde9d4dc5f86cb3ee1366b7c8ad02fed2edc88d",  # noqa: E501
    "d589ca4acc882e1defad30ac624f83aab38ff7640fbf7886ad503e4e920b6961": "5c22c5045ae19dcf4c12bea1b666c194581626d32c12d65ded6e0585c487a494",  # noqa: E501
    "6714e97c959e5edc83426f1111d932efd1677d90e14f70a09a77b5afa9a2c3ce": "86c152b05fdddad931598fa409a43683fbfc38e0b44f8c2f54ccb2cb6c2fd1dc",  # noqa: E501
    "9d16f17f796c8110e4ed08a22698b899ddc0a252e67c07fd4739df714201e909": "9fef8d5c8d97b695fbf490a4a82a8489f8b24e672698d6afd0764432830875ea",  # noqa: E501
    "26b53267e6c17a8c35fd641f0683451f56da1751efe8b7d864bc9ede73174e4d": "efcb0f130f79cbd18b3a7e6c0d6a08cc2b7473a4d7c1029d444734ffa2d3895c",  # noqa: E501
    "0ccc38929485a0f9a5b00f16fb7e7c59c22b4c32cbaaa6663f14b8d73208914a": "0de1dd29d7d140648fff910064d2896f6d0007968299b221bcece296fac75d92",  # noqa: E501
    "575b036aecac1d0e911407a02744bbe374a0af6212ede8eee3e9a8ccc51b2c2c": "ac41036d8226dbfcb4c6fbdd5d18337369ae34cfdc1268a7c776ff59b826cad4",  # noqa: E501
    "6d02d1209573909bf3b683309ff39a43685ef47539c864ce649b9be76aa867a2": "f2935d8308df363a3e1c08362d8104523366ec35c489dc201e0527893cf0546e",  # noqa: E501
    # an estimate without an interval says so
    "ae874c4ac896845ea34ede67a9ee2a456306b6cc23fc03bf5f43c49f95f21866": "fafba868ac5fe132fc050a1f96c3632b2c32d24170533167732ebdf5409cf71d",  # noqa: E501
    # bounds beside infinite numbers; paths that do not move
    "123cb3c65dde4126bc184152193606e92e897cbfa2f467cf0918796274f0359e": "5d5f03541a7239ce43f61769e6517c5746b1765d623ae362416c22b2ff0ca86a",  # noqa: E501
    "15478d2640da711ef237ad418d57cd0527eed21acc59bcb59ad0471b4de2e0bc": "89839103a6cae5e9c4d5a5ea3f450d6a580d7f96c2b4fdc7299596838a63926f",  # noqa: E501
    "9e847bb193cde8095a519efce9196aab8dbe612ecbba2395563ce12b06c9974e": "bfe9f3cbe7592f10bf0d9c96035a2a890a9e44206f9ee8240d5185c0e9812031",  # noqa: E501
    "1f27ce0843d1a6652af9e4af3b955e4f07999abd1df03aae02b280f2f92f34ac": "86353eae1110325d66790f9c6925eebcf545fc758d40c8a32ed39026d6796656",  # noqa: E501
    # networks saved with the rules that their layers have
    "590adf8d5dfc1e6524a4583d2f737af1ee40b8ad50e1a08038d9f8c2c26bba19": "d187d12fc19c23b5ddbe9c2516c43f783a808019b7db9ff692c4340ab8057195",  # noqa: E501
    # spectra of repeats: warnings of copies and drift, no fit with fewer than 100 draws
    # base.arrays, spectra._responses: advice in errors
    "44e4edf4c1c48081ef3589204f317445bde43c25c7286f9e842b612648a4de5d": "774d3837dde239093e67fce6bbea93492a96a7526f12fee0fc45a02fd55fecb7",  # noqa: E501
    "604780b1cb32eae7bd271db166670c8a24ffbe6e867ccd192ecf60aa9867e12a": "35095ddab3fe1fc815ab94a7497f741b3ecf3fa91874b3e933493d1541cccdeb",  # noqa: E501
    # bounds of a fit to moments as one tensor
    "d82ffc1dfd2b667391d580ba84fec986902f51b04059cb953bde16bca3ae08fb": "79ccf66aa3e5511c6313477ac4f206fa0f04c2800b709febd0a6ea0e8f2f6b98",  # noqa: E501
    # warnings and errors only, and groups of unequal size
    "9fc92e6a6cbff116a9a11b5f3d1a6b9b34d535774db69c5eda25d9643658bed1": "824b318f761a76214a93f30c389e2d5098afb0f1640335000f43b0dceacf5d89",  # noqa: E501
    "0e58622bd527a48f7906d21b213debb7fe4ab56ac03f9f8ce17def745c1c7f96": "cc700958eb4d704f57d813503dce845249cc064f5e0bed2a49bf8f166f4cf407",  # noqa: E501
    "19d1dc86a66697f501d6e865798e5f4a3b977556c012dc927d60c19969e06821": "a4df77df257f9ac6043874f1aa6e5c14b6de396d704eda1fd02e16926c48d784",  # noqa: E501
    "a80a690a659e1edab423fdad6aa182761770bd977318f1a1b7fe74146d00a9ab": "0fb479c0b79ec992dfc2f8b1a3fb8cd6ada20aeb8102b017333a6e9b054c7090",  # noqa: E501
    "67cb7ab3db6ad6e6765c7bb41f4618d03523445eea2dcf8151983fa0d1dc5811": "5dad85dbde567df2f9463820f74401d0b6447aeb7b4f27055a77df5b46ce079f",  # noqa: E501
    "4abb8419df2093fccf55bec9a812fc8d6ebaf5dc1d92c9fb8e4d27ec4c1a7ac6": "85502fa0b350fec5f0a23b044c192865278d890161366092dcdc54748913ac34",  # noqa: E501
    "8a9875785ae907daf4845698bdf64416eb96ddde6fd11c3585ee6da30b7dc599": "bbefacf60dbe76b1a9c72fa87ac3bf882083310394fc337a58397d88e71ec106",  # noqa: E501
    "e128e9993f7734614b4ae9ee64ea12f581ce406e1830ca9b877ca47848f18694": "dc38889f1edaab5bc7a068dbac31c87f1abfd09e5a02561098bde7dcc334565c",  # noqa: E501
    "cafef4e49d5d97eed32fb7271d4bc96e5bcd5698a79faddbd117afde7d609791": "cfeeee2c3d8f8c03ae2015704ba430964da98239f9948aed056c750c4e1f77ac",  # noqa: E501
    "2bc7f48f8495f358cb3fd44bc9c41d34559b126517373f398b2554bd19177680": "c8a704a8418f251618ef07b7c84eca66591d7cf37fb2c5d508fc7537805a8e1d",  # noqa: E501
    "786c1067007b75368ddb8afb6f7444d0e3910057ddd189cf406f661b17cb8fd4": "f3f8724ef12870c841bb021ce9bd0cb22607197db949003929349b5873bc25a7",  # noqa: E501
    "5be3292ec0139633999bfdaf4e8d1ba1d6b4fced20ed504479a27b68608f8797": "9015f916a38df2049a8e6c8b12a2da6dd2d117232f7b122220a5c57db521a420",  # noqa: E501
    "420271e83a56fc893ccf981fbf6134484ddb6d756451b00d98d5f7b0007cc3b3": "1ed850431f5f6204dac1d2f9026e02bc7e0b4f398006034459a2c9ea5c8d5713",  # noqa: E501
    "6657d66cb89b5628188c1b1ec4ffb1ae14893acf83784702b617176a78b24936": "5abde54b50c92958c6e635768999137f44514737767fd5acbc6a2db18bcc9aa5",  # noqa: E501
    "266902575f95b14b547bd35b4e0e63a760a848752296c8408a01a347d020ff18": "6abdce4094d75e2a62f4307d803c38e33d79b3981c8ee12d53f804e496ce4845",  # noqa: E501
    "15488559abd9d936f42b7564748b24c5b6f67b4983e2439ee9277d54c2b502e9": "3f9b9fac811a84dd263fd05bb9e2c757870782d0a9aa6ee9a01101082b044a67",  # noqa: E501
    "b986b59fe239b74b13184d76c6a525fda4be1b9a428be1d6723449097819b47c": "491463e85f689c9794ba3bbe8cb1ebf8099c90d76a04464213e3e0386a18117d",  # noqa: E501
}
"""Digest of a module whose change can change no result -> its digest before, so that stored results keep their keys.

A new module that can change no result of before has the digest "".  The next change of a module gives it another
digest, which counts.
"""

IGNORED_FIELDS = {"ctx", "kind", "type_comment", "type_ignores", "type_params"}
"""Fields of a syntax tree that do not affect the result, or that only some versions of Python have."""


@cache
def fingerprint(modules: tuple[str, ...]) -> str:
    """Hash of these modules and of all code they import, directly or not, except installed packages; cached.

    Imports inside functions of this package do not count: they are for code that does not affect the result (reading
    data, whose hash is part of the key), and for plugins that a step chooses by name at run time and lists in
    `Step.uses`.

    >>> fingerprint(("eigencode.base.errors",)) == fingerprint(("eigencode.base.errors",))
    True
    """
    digest = hashlib.sha256()
    for name in sorted(closure(modules)):
        code = _read(name)[0]
        digest.update(f"{name}:{code}\n".encode() if code else b"")
    return digest.hexdigest()


def closure(modules: tuple[str, ...]) -> frozenset[str]:
    """These modules and all they import outside of functions, directly or not, except installed packages."""
    found: set[str] = set()
    waiting = [m for m in modules if _path(m) is not None]
    while waiting:
        name = waiting.pop()
        if name not in found and name not in DISPLAY_ONLY:
            found.add(name)
            waiting += _read(name)[1]
    return frozenset(found)


def canonical(node: object, in_error: bool = False, ours: bool = True) -> str:
    """A syntax tree as text, the same in every version of Python; `in_error` leaves out the content of strings.

    Left out are docstrings, positions, and fields that are empty; in the code of this package, by its names, also the
    arguments of errors and warnings.

    >>> canonical(ast.parse("x = f'a{b}'  # c")) == canonical(ast.parse("x = ('a'f'{b}')"))
    True
    """
    if isinstance(node, list):
        return f"[{', '.join([canonical(n, in_error, ours) for n in node if not _is_documentation(n)])}]"
    if not isinstance(node, ast.AST):
        return ascii(node)
    if isinstance(node, ast.Constant):
        return "text" if in_error and isinstance(node.value, str) else f"Constant({node.value!a})"
    if isinstance(node, ast.JoinedStr):
        return "text" if in_error else f"JoinedStr({canonical(_joined(node.values), ours=ours)})"
    if ours and isinstance(node, ast.Call) and _is_error(getattr(node.func, "attr", getattr(node.func, "id", ""))):
        return f"Call({canonical(node.func)})"
    error = isinstance(node, ast.Raise) or (isinstance(node, ast.ClassDef) and _is_error(node.name))
    in_error = in_error or (ours and error)
    fields = [(name, getattr(node, name, None)) for name in node._fields if name not in IGNORED_FIELDS]
    kept = [f"{name}={canonical(value, in_error, ours)}" for name, value in fields if value not in (None, [])]
    return f"{type(node).__name__}({', '.join(kept)})"


def _is_documentation(node: object) -> bool:
    """True for a statement that is only a string: a docstring, or a note under a constant or field."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_error(name: str) -> bool:
    """True for errors, warnings and `warnings.warn`, whose arguments are messages and do not affect results."""
    return name.endswith(("Error", "Warning")) or name == "warn"


def _joined(values: list[ast.expr]) -> list[ast.expr]:
    """Merge neighbouring literals of an f-string, which Python 3.11 and 3.12 split at different points."""
    parts: list[ast.expr] = []
    for value in values:
        last = parts[-1] if parts else None
        if isinstance(value, ast.Constant) and isinstance(last, ast.Constant):
            parts[-1] = ast.Constant(f"{last.value!s}{value.value!s}")
        elif not isinstance(value, ast.Constant) or value.value:
            parts.append(value)
    return parts


@cache
def _read(module: str) -> tuple[str, tuple[str, ...]]:
    """Return a digest of the code of a module, and the imported modules that also belong to the key.

    `from package import name` counts `package.name` if that is a module, otherwise the `__init__` of the package.  The
    code of others counts whole: with the packages around it, imports inside functions, and modules that it names in
    `import_module`.
    """
    path = _path(module)
    assert path is not None
    tree, ours = ast.parse(path.read_bytes()), _ours(module)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names: set[str] = set() if ours else {*filter(None, [module.rpartition(".")[0]])}
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if not ours or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            try:
                source = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            except ImportError:  # a relative import of a module in no package
                continue
            names |= {inner if _path(inner := f"{source}.{alias.name}") else source for alias in node.names}
            names |= _starred(source) if not ours and any(alias.name == "*" for alias in node.names) else set()
        elif isinstance(node, ast.Call) and not ours:
            names |= _imported_by_name(node, package)
    counted = tuple(sorted(n for n in names if _is_hashed(n)))
    digest = hashlib.sha256(canonical(tree, ours=ours).encode()).hexdigest()
    return SAME_RESULT.get(digest, digest), counted


def _ours(module: str) -> bool:
    return module.startswith(f"{PACKAGE}.")


def _imported_by_name(call: ast.Call, package: str) -> set[str]:
    """The module that `import_module("name")` or `__import__("name")` imports; a relative one in `package`."""
    function = getattr(call.func, "attr", getattr(call.func, "id", ""))
    given = [*call.args[:1], *(word.value for word in call.keywords if word.arg == "name")]
    if function not in ("import_module", "__import__") or not given or not isinstance(given[0], ast.Constant):
        return set()
    name = given[0].value
    try:
        return {importlib.util.resolve_name(name, package)} if isinstance(name, str) else set()
    except ImportError:  # beyond the top of its package
        return set()


def _starred(source: str) -> set[str]:
    """The modules inside a package that its `__init__` names, which `from package import *` may import."""
    path = _path(source)
    nodes = ast.walk(ast.parse(path.read_bytes())) if path else ()
    texts = {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    return {inner for text in texts if text.isidentifier() and _path(inner := f"{source}.{text}")}


def _is_hashed(module: str) -> bool:
    """True for modules of this package, except its `__init__`, and for other modules that are not installed."""
    path = _path(module)
    return path is not None and module != PACKAGE and (_ours(module) or not INSTALLED & {*path.parts})


@cache
def _path(module: str) -> Path | None:
    """Find the source file of a module without importing it; None for the standard library and compiled modules."""
    top, *inner = module.split(".")
    home = ROOT if top == PACKAGE else _top_level(top)
    base = home.joinpath(*inner) if home else None
    candidates = (base.with_suffix(".py"), base / "__init__.py") if base else ()
    return next((c for c in candidates if c.is_file()), None)


def _shadows(file: Path) -> bool:
    """True for a file that is imported in the place of a module of the standard library, by its name."""
    library = [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")]
    return file.is_absolute() and not any(file.is_relative_to(folder) for folder in library)


@cache
def _top_level(top: str) -> Path | None:
    """Folder of a top-level package, or file of a single module without its suffix; None for the standard library."""
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:  # `__main__`, or a module created at run time
        return None
    if top in sys.stdlib_module_names and not (spec and spec.origin and _shadows(Path(spec.origin))):
        return None
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if folders:
        return Path(folders[0])
    return Path(spec.origin).with_suffix("") if spec and spec.origin else None
