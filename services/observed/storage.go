package observed

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Refusal is why a datastore cannot take the disks of a machine, or should not.
type Refusal struct {
	Code   string // of the catalogue of errors
	Reason string // what stands against it: a clause about the datastore, which it calls "it"
	Remedy Phrase // what to do
	// Unknown: it is not known whether the datastore serves, because what decides could not be read.
	Unknown bool
	// Warning: it serves, and a better one is to be preferred.
	Warning bool
}

// Phrase is a sentence about certain names and numbers, in English and Japanese.
type Phrase struct {
	English, Japanese string // formats
	Args              []any
}

func (p Phrase) String() string { return fmt.Sprintf(p.English, p.Args...) }

// InJapanese is the sentence in Japanese, as far as there is one.
func (p Phrase) InJapanese() string {
	if p.Japanese == "" {
		return p.String()
	}
	return fmt.Sprintf(p.Japanese, p.Args...)
}

// row numbers the grounds.
type row int

// ground is a row of the table of what stands against a datastore. Each has one text, wherever it is shown.
type ground struct {
	code             string
	reason           string // a format
	remedy, japanese string // formats of the same names
	unknown, warning bool
}

const (
	giveRight   = "Give the vCenter account the right to read it."
	giveRightJA = "vCenter アカウントに、データストアを読み取る権限を付与してください。"
	mountIt     = "Mount it read-write on %s."
	mountItJA   = "データストアをホスト %s に読み取り/書き込みでマウントしてください。"
)

// Rows of the table.
const (
	typeUnread row = iota
	nameUnread
	stateUnread
	roomUnread
	notVMFS
	isVSAN
	noWriter
	hostAway
	inaccessible
	inMaintenance
	unmounted
	unreachable
	readOnly
	notOnAppliance
	notOnMasterTarget
	full
	unseen
)

var grounds = [...]ground{
	typeUnread:  {code: "datastore.unread", reason: "its type could not be read (%s)", remedy: giveRight, japanese: giveRightJA, unknown: true},
	nameUnread:  {code: "datastore.unread", reason: "its name could not be read (%s)", remedy: giveRight, japanese: giveRightJA, unknown: true},
	stateUnread: {code: "datastore.unread", reason: "its mounts could not be read (%s)", remedy: giveRight, japanese: giveRightJA, unknown: true},
	roomUnread:  {code: "datastore.unread", reason: "its free space could not be read (%s)", remedy: giveRight, japanese: giveRightJA, unknown: true},
	notVMFS: {code: "datastore.unsupported", reason: "type %s is not supported: only VMFS and vSAN",
		remedy: "Choose a VMFS datastore, or move the disks of the on-premises VM to one.", japanese: "VMFS データストアを選択するか、オンプレミスの VM のディスクを VMFS データストアに移動してください。"},
	isVSAN: {code: "datastore.vsan", reason: "vSAN can be offered and still fail in the job; prefer VMFS", warning: true,
		remedy: "Prefer a VMFS datastore where there is a choice.", japanese: "選択できる場合は、VMFS データストアを使用してください。"},
	noWriter: {code: "datastore.no-writer", reason: "%s", unknown: true,
		remedy:   "Check the name of the %s, and that the vCenter account can see its VM and its host.",
		japanese: "%s の名前が正しく、vCenter アカウントからその VM とホストが見えることを確認してください。"},
	hostAway: {code: "datastore.no-writer", reason: "%s", unknown: true,
		remedy: "Reconnect host %s in vCenter, then check again.", japanese: "vCenter でホスト %s を再接続してから、もう一度確認してください。"},
	inaccessible: {code: "datastore.inaccessible", reason: "vCenter says it is not accessible",
		remedy: "Bring the datastore back, or choose another.", japanese: "データストアを復旧するか、別のデータストアを選択してください。"},
	inMaintenance: {code: "datastore.maintenance", reason: "it is in maintenance mode (%s)",
		remedy: "End the maintenance, or choose another datastore.", japanese: "メンテナンス モードを終了するか、別のデータストアを選択してください。"},
	unmounted: {code: "datastore.unmounted", reason: "it is not mounted on %s, the host of the %s", remedy: mountIt, japanese: mountItJA},
	unreachable: {code: "datastore.unreachable", reason: "%s, the host of the %s, cannot reach it",
		remedy: "Check the storage paths of %s.", japanese: "ホスト %s のストレージ パスを確認してください。"},
	readOnly: {code: "datastore.read-only", reason: "it is mounted %s on %s, the host of the %s", remedy: mountIt, japanese: mountItJA},
	notOnAppliance: {code: "datastore.undiscovered", reason: "appliance %s does not list it as accessible",
		remedy:   "Give the vCenter account of appliance %s read-write on it, then wait for the next discovery.",
		japanese: "アプライアンス %s の vCenter アカウントに、データストアへの読み取り/書き込みアクセスを付与し、次の検出まで待ってください。"},
	notOnMasterTarget: {code: "datastore.undiscovered", reason: "Site Recovery has not discovered it on master target %s yet",
		remedy: "Refresh the configuration server and wait up to 15 minutes.", japanese: "構成サーバーを更新し、最大 15 分待ってください。"},
	full: {code: "datastore.full", reason: "too little room: %s are needed, %s are free",
		remedy:   "Free %s on it, or choose another for a machine that is made anew.",
		japanese: "データストアに %s の空き領域を確保してください。マシンが新しく作成される場合は、別のデータストアを選択することもできます。"},
	unseen: {code: "datastore.hidden", reason: "vCenter does not show it to account %s, and %s",
		remedy:   "Give the account the right to see it. If it is gone, refresh the configuration server or wait for the next discovery of the appliance.",
		japanese: "データストアを参照する権限をアカウントに付与してください。存在しない場合は、構成サーバーを更新するか、アプライアンスの次の検出を待ってください。"},
}

// against makes a refusal of a row.
func (r row) against(reason, remedy []any) *Refusal {
	g := grounds[r]
	return &Refusal{
		Code: g.code, Reason: fmt.Sprintf(g.reason, reason...), Unknown: g.unknown, Warning: g.warning,
		Remedy: Phrase{English: g.remedy, Japanese: g.japanese, Args: remedy},
	}
}

func names(all ...any) []any { return all }

// Station is the place from which a writer writes: its VM's host, whose mounts count. Where the host is not known
// Why says so, in a sentence.
type Station struct {
	Writer Writer
	Host   *Host
	Why    string
}

// Station finds where a writer stands.
func (inv Inventory) Station(w Writer) Station {
	seen := inv.Find(w.VM)
	if seen.VM == nil {
		return Station{Writer: w, Why: seen.Why(w.String(), inv.User)}
	}
	if why := seen.VM.Unread.Why("runtime.host"); why != "" {
		return Station{Writer: w, Why: fmt.Sprintf("The host of VM %s could not be read in vCenter: %s.", seen.VM.Place(), why)}
	}
	host, ok := inv.Host(seen.VM.HostRef)
	if !ok {
		return Station{Writer: w, Why: fmt.Sprintf("The host of VM %s could not be read in vCenter.", seen.VM.Place())}
	}
	return Station{Writer: w, Host: &host}
}

// NoNewVM says in a clause why no new VM can be made where the writer stands (S22), or why that is unknown; "" when
// nothing is known against it.
func (s Station) NoNewVM() (why string, unknown bool) {
	if s.Host == nil {
		return "", false
	}
	host := fmt.Sprintf("host %s of the %s", s.Host.Name, s.Writer)
	switch dark := s.Host.Unread.Why("runtime.inMaintenanceMode"); {
	case dark != "":
		return fmt.Sprintf("the state of %s could not be read: %s", host, dark), true
	case s.Host.Maintenance:
		return host + " is in maintenance mode", false
	}
	away := s.away()
	return away, away != ""
}

// away says in a clause that the station's host is not connected, or that this is unknown: what vCenter says of it then is
// not of now.
func (s Station) away() string {
	host := fmt.Sprintf("host %s of the %s", s.Host.Name, s.Writer)
	switch dark := s.Host.Unread.Why("runtime.connectionState"); {
	case dark != "":
		return fmt.Sprintf("the state of %s could not be read: %s", host, dark)
	case s.Host.Connection != "" && s.Host.Connection != "connected":
		return fmt.Sprintf("%s is %s, so what vCenter says of it is not of now", host, s.Host.Connection)
	}
	return ""
}

// Refuse says why a datastore cannot take disks that are written from a station, or should not (S20, S21, S36, M3);
// nil when nothing stands against it. Room is a question of its own.
func (d Datastore) Refuse(from Station) *Refusal {
	kind := d.RefuseType()
	if kind != nil && !kind.Warning {
		return kind
	}
	if r := d.RefuseMount(from); r != nil {
		return r
	}
	if r := d.RefuseUndiscovered(from.Writer); r != nil {
		return r
	}
	return kind
}

// RefuseType judges the type of the datastore (S20).
func (d Datastore) RefuseType() *Refusal {
	why := d.Unread.Why("summary.type")
	switch {
	case why == "" && d.Type == "":
		why = "vCenter does not tell it"
		fallthrough
	case why != "":
		return typeUnread.against(names(why), nil)
	case d.Type == "vsan":
		return isVSAN.against(nil, nil)
	case d.Type != "vmfs":
		return notVMFS.against(names(strings.ToUpper(d.Type)), nil)
	}
	return nil
}

// RefuseMount judges whether the writer's host can write to the datastore (S21).
func (d Datastore) RefuseMount(from Station) *Refusal {
	switch why := d.Unread.Why("summary.accessible", "host", "summary.maintenanceMode"); {
	case from.Host == nil:
		return noWriter.against(names(clause(from.Why)), names(from.Writer.String()))
	case from.away() != "":
		return hostAway.against(names(from.away()), names(from.Host.Name))
	case why != "":
		return stateUnread.against(names(why), nil)
	case !d.Accessible:
		return inaccessible.against(nil, nil)
	case d.Maintenance != "" && d.Maintenance != "normal":
		return inMaintenance.against(names(d.Maintenance), nil)
	}
	host, writer := from.Host.Name, from.Writer.String()
	switch mount, known := d.Mounts[from.Host.Ref]; {
	case !known || !mount.Mounted:
		return unmounted.against(names(host, writer), names(host))
	case !mount.Accessible:
		return unreachable.against(names(host, writer), names(host))
	case mount.Mode != "readWrite":
		return readOnly.against(names(cmp.Or(strings.Replace(mount.Mode, "readOnly", "read-only", 1), "in no known way"), host, writer), names(host))
	}
	return nil
}

// RefuseUndiscovered says why Site Recovery cannot use a datastore that vCenter shows: it has not found it yet.
func (d Datastore) RefuseUndiscovered(w Writer) *Refusal {
	knows := func(f FabricDatastore) bool { return SameName(f.Name, d.Name) }
	switch why := d.Unread.Why("name"); {
	case why != "":
		return nameUnread.against(names(why), nil)
	case !w.Lists || slices.ContainsFunc(w.Datastores, knows):
		return nil
	case w.Role == RoleAppliance:
		return notOnAppliance.against(names(w.Name), names(w.Name))
	}
	return notOnMasterTarget.against(names(w.Name), nil)
}

// RefuseFull judges whether there is room for so many bytes, of which others have taken some already (S34).
func (d Datastore) RefuseFull(need, taken int64) *Refusal {
	if why := d.Unread.Why("summary.freeSpace"); why != "" {
		return roomUnread.against(names(why), nil)
	}
	free := max(d.FreeBytes-taken, 0)
	if need <= free {
		return nil
	}
	return full.against(names(gb(need, math.Ceil), gb(free, math.Floor)), names(gb(need-free, math.Ceil)))
}

// Unseen refuses a datastore that exists for somebody else: who, says a clause.
func Unseen(account, who string) *Refusal {
	return unseen.against(names(account, who), nil)
}

const gib = int64(1) << 30

// gb words bytes in tenths of a GB, so rounded that what is too little does not look enough.
func gb(bytes int64, round func(float64) float64) string {
	return fmt.Sprintf("%g GB", round(float64(bytes)/float64(gib)*10)/10)
}

// clause makes a sentence a part of another.
func clause(sentence string) string {
	return strings.TrimSuffix(strings.ToLower(sentence[:min(1, len(sentence))])+sentence[min(1, len(sentence)):], ".")
}
