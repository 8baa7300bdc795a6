package preflight

import "fmt"

// words are the fixed texts of a report, each in every language. Titles, reasons and remedies of checks come from
// the catalogue.
var words = map[string]struct{ en, ja string }{
	"title":       {"Reprotect preflight", "再保護の事前チェック"},
	"checked":     {"What can be known before a reprotect from Azure to on-premises. Nothing was changed.", "Azure からオンプレミスへの再保護の前に確認できる事項のレポートです。何も変更されていません。"},
	"site":        {"Site", "サイト"},
	"vault":       {"Vault", "コンテナー"},
	"by":          {"Asked by", "要求者"},
	"version":     {"Made by", "作成"},
	"taken":       {"State of", "確認日時"},
	"scope":       {"Asked for", "対象"},
	"scope-all":   {"every machine of the vault", "コンテナーのすべてのマシン"},
	"scope-plan":  {"recovery plan %s", "復旧計画 %s"},
	"scope-named": {"the machines named", "指定されたマシン"},

	"good":       {"Nothing blocks. A request would go through.", "ブロックする項目はありません。要求は受け付けられます。"},
	"good-later": {"Nothing blocks. Machines that are not failed over yet are ready as far as can be checked now.", "ブロックする項目はありません。まだフェールオーバーされていないマシンも、現時点で確認できる範囲では準備が整っています。"},
	"fix-one":    {"1 thing to fix; machines that it blocks: %d", "対処が必要な項目: 1 件。ブロックされているマシン: %d 台"},
	"fix-many":   {"%d things to fix, in this order; machines that they block: %d", "対処が必要な項目: %d 件 (この順に対処してください)。ブロックされているマシン: %d 台"},
	"rejected":   {"A request for what is blocked would be rejected.", "ブロックされているマシンの要求は拒否されます。"},
	"refused":    {"The request cannot become cases.", "この要求は処理できません。"},

	"summary":    {"Summary", "概要"},
	"machine":    {"Machine", "マシン"},
	"answer":     {"Answer", "結果"},
	"why-not":    {"What blocks, or is not known", "ブロックしている、または不明な項目"},
	"by-machine": {"By machine", "マシン別"},
	"machines":   {"Machines", "対象マシン"},
	"all":        {"all %d machines", "全 %d 台"},
	"more":       {"and %d more", "他 %d 件"},
	"gap":        {"%d checks could not be made, for one reason.", "同じ理由で %d 件のチェックを実行できませんでした"},
	"gap-remedy": {"See that this can be read, then check again: until then these checks say nothing.", "読み取れるようにしてから、もう一度チェックしてください。それまで、これらのチェックの結果は不明です。"},
	"in-order":   {"To fix, in this order", "対処が必要な項目 (この順に)"},
	"beside":     {"Beside this", "その他"},
	"what":       {"What was checked", "チェックした項目"},
	"met":        {"Met", "合格"},
	"to-look-at": {"Warnings", "警告"},

	"blocked": {"blocked", "ブロック"},
	"unclear": {"not known", "不明あり"},
	"later":   {"ready, not failed over yet", "準備完了 (フェールオーバー前)"},
	"ready":   {"ready", "準備完了"},
	"back":    {"replicates back already", "再保護済み"},

	"problems":  {"Problems of the request", "要求の問題"},
	"left-out":  {"Left out", "対象外のマシン"},
	Migrated:    {"its migration to Azure was completed: there is no way back", "Azure への移行が完了しているため、戻すことはできません"},
	NotVMware:   {"it is neither a VMware nor a physical machine: another scenario of Site Recovery protects it", "VMware マシンでも物理マシンでもなく、Site Recovery の別のシナリオで保護されています"},
	OtherFabric: {"it belongs to another fabric than the one that the config of the site names", "サイトの構成で指定されたものとは別のファブリックに属しています"},

	"status-blocks":         {"Blocks", "ブロック"},
	"status-unknown":        {"Not known", "不明"},
	"status-unknown-blocks": {"Not known: blocks", "不明 (ブロック)"},
	"status-warn":           {"Warning", "警告"},
	"status-info":           {"Note", "情報"},
	"status-waived":         {"Waived", "免除"},
	"status-pass":           {"Met", "合格"},
	"status-skipped":        {"Not applicable", "該当なし"},

	"found":      {"Found", "確認結果"},
	"why":        {"Why it matters", "理由"},
	"remedy":     {"What to do", "対処方法"},
	"cause":      {"Cause", "原因"},
	"recognised": {"Recognised by", "判別に使用する語句"},
	"reference":  {"Reference", "参照"},
	"folded":     {"Checks met or not applicable: %d", "合格または該当なしのチェック: %d 件"},

	"datastore":          {"Datastore", "データストア"},
	"datastore-chosen":   {"%s (%s location)", "%s (%s)"},
	"datastore-none":     {"No datastore fits", "使用できるデータストアがありません"},
	"datastore-unread":   {"Not judged: vCenter could not be read, or the machine has left the vault.", "判定できません。vCenter を読み取れないか、マシンがコンテナーにありません。"},
	"location-original":  {"original", "元の場所"},
	"location-alternate": {"alternate", "別の場所"},
	"datastores":         {"All datastores judged: %d", "判定したデータストア: %d 件"},
	"type":               {"Type", "種類"},
	"free":               {"Free", "空き領域"},
	"accepted":           {"accepted", "使用可"},
	"refused-datastore":  {"refused", "使用不可"},
	"reason":             {"Why", "理由"},
}

// Say words one of the report's fixed texts: commands beside the report use the same.
func Say(lang, key string) string { return say(lang, key) }

// say words a key in a language. A key that is not there is a mistake of this package, which its tests find.
func say(lang, key string, args ...any) string {
	text, ok := words[key]
	if !ok {
		panic("report: no words for " + key)
	}
	format := text.en
	if lang == "ja" {
		format = text.ja
	}
	return fmt.Sprintf(format, args...)
}
