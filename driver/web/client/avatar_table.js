/** The avatar codec's tables. Written by `python -m training.avatar_table RECORDING.adrec ...`. */

/** Steps between 0 and 1 of each ARKit weight. */
export const LEVELS = [46, 39, 27, 26, 37, 30, 17, 46, 39, 27, 26, 37, 30, 17, 89, 69, 69, 388, 308, 73, 85, 101, 101, 144, 144, 52, 52, 66, 66, 65, 65, 53, 87, 51, 42, 74, 74, 40, 40, 45, 45, 53, 53, 32, 32, 32, 98, 66, 66, 35, 35, 8];
/** Of the numbers after them: step, least, greatest. */
export const STEPS = [0.001, 0.001, 0.001, 0.0005, 0.0005, 0.001, 0.03125, 0.03125, 0.03125, 0.03125, 0.0625, 0.0625, 0.0625, 0.0625, 0.004];
export const LOWEST = [-3141, -3141, -3141, -32768, -32768, -32768, 0, 0, -32, -32, 0, 0, 0, 0, 0];
export const HIGHEST = [3141, 3141, 3141, 32768, 32768, 32768, 32, 32, 32, 32, 16, 16, 16, 16, 255];

/** @param {string} text */
const pairs = (text) => Array.from({ length: text.length / 4 }, (_, index) =>
  [parseInt(text.slice(4 * index, 4 * index + 2), 16), parseInt(text.slice(4 * index + 2, 4 * index + 4), 16)]);

/** [quantiser][number] -> chances of zero and of more, in 256ths: of key frames, and of differences to one. */
export const KEY_CHANCES = [
  "78eec2cb87c98ea24bcfe583f4db7fedc2cbb9b862bc4bcfd084f4d8fa326edba2c324ff88f0a2d5def167e991de25fc12fbd69bf2505ce85ae87de2a8dd74e077efdfb086ed59ed42ecc9b1d49659ef5bec1bfc4afbdadcece5d8d3b5e67fdf3dd181cb88d0ff8003fe03fd05fa09f209f802ff9c9f87fb5c8e667b02ff02ff02ff02ff02dd",
  "85e2caa199a3ad745da7f166f6be8be2caa1cf958c975da7e35df6b8ff797abab39925fe9de8acb1e1e67dd2aecc2df619f4e87efd6d7ade72d190c9b7c28bc889dfefa595de69de54dddb8de87a68e169dc21f251f3e2caeecadeb1c3d695c459ae97a697aaff8004fd06f80cf315e719f102ffc88392faaa71bd6702e002e002e002e002b8",
  "8ec5d460a961d2397164f72bf78b96c5d460dc5bb0657164f119f785ff7c8b83c45526f9a3d3b775e2cf88aab9a533ea1ce9f149fe6486bf7ba79a9bbf91999b91c1f4769ebe73bc5cbae44bf24771c274ba25d953dae7a1ef9de276cab4a4967070a6679f60ff8005fa08f112e61dd923e502ffdc4995dbc41ada2202c002c002c002c0026d",
  "9e9ae21dcb21f54ba21ffe57f954a79ce21dea3aca1ba21ffe5df847ff80a636e02627eaacb1cc29e5a69767c96d3ad423d3f929ff6a9891895fac53cc48ad589e8ff73dab8a82876e82f018f92c839387862ab558b6ef77f153ea32d583b655991fc117bd15ff8009ee0ee91ece2fb930c902ffef2199b9ee11f51a02800280028002806b3d",
].map(pairs);
export const DIFFERENCE_CHANCES = [
  "5ceac3a095b19f8c6d9fdd67eed460eac3a0b79d7ca06d9fca5deed0f52368bc93b817f960ed82c6c9ef51d56fd71fe415e4cd8ee84c52c74dc967c68eca5ad265dccaab75cc45d731d6b39abe904ad04bcd27cf51d1cbd4e3ded2bf94e278a53cad88959495ff8009f60ef111ed2eda26da2acaa594b5f087898e7dff80ff80ff80ff8066ca",
  "71dfd779bf9cc97ca17df059f2b774dfd779da93ae87a17de547f2b0ff749099b1961ff37ce4979fcee479bb95c13bd02fcfe57bfa6783ae7ead8da7abad7fb985c7e6a096b06bbe58bcd480dc776eb36faf51b476b8d9c1e7c2e0a1abd2a47f7285b571c478ff8016ef22e829e35ccf52c85db0cb7fc4e9b867c160ff80ff80ff80ff80799f",
  "7fc1e341d06ae158b93ef729f38084c1e341eb76cd5db93ef417f47aff78ac5ec55a26e885cda95fd0ca908da49350a944a8ef48fd579d7b9877a36dba759486949eee72aa7b808f6e89e144eb42857c897974858e88df94ea91e86cb6afbf419644cf37d734ff8020df31d93cd17ec16fa57f7ed83fc9cbd01bdb1eff80ff80ff80ff809058",
  "9598ec1edc33f557cf0dfe4ef64a9998ec1ef053e335cf0dfe5bf73cff80ca29d82532d494abc81ad69fab4db9567272646ef621fe5bba3ab334c12cce31ae47ab64f43cc33b9e539247f015f721a539a939a151ab4be965ed47ee3dc47bdc11bf0de30be30cff8030c548be59b59bb09274a748eb1dcfa2eb0ef316ff80ff80ff80ff80c348",
].map(pairs);
