package checks

// japanese holds the texts of every check in the words of the Japanese edition of the documentation. The names of
// commands and pages are those of the Japanese portal and of vSphere Client.
var japanese = map[string]Text{
	"machine.failed-over": {
		Title:  "マシンがフェールオーバー後に Azure で実行されており、他のジョブに使用されていないこと",
		Why:    "再保護できるのは、Azure にフェールオーバーされたマシンだけです。また、Site Recovery が 1 台のマシンに対して同時に実行できるジョブは 1 つだけです。",
		Remedy: "コンテナーの [レプリケートされたアイテム] でマシンの状態を確認し、先にフェールオーバーを完了してください。",
	},
	"machine.not-migrated": {
		Title:  "マシンの Azure への移行が完了していないこと",
		Why:    "[移行の完了] を実行すると、マシンの保護は完全に終了します。再保護によってオンプレミスへ戻すことはできません。",
		Remedy: "このマシンは再保護できません。オンプレミスに戻すには、Azure からディスクをコピーするか、別のツールで移行してください。",
	},
	"machine.azure-vm-present": {
		Title:  "マシンのフェールオーバー先の Azure VM が存在すること",
		Why:    "データは Azure VM から取得されます。Azure VM が削除されている場合、再保護によって戻すことはできません。",
		Remedy: "Azure VM がなければ、このマシンは再保護できません。ディスクまたはバックアップが Azure に残っている場合は、別の方法でデータを戻してください。",
	},
	"machine.resource-group": {
		Title:  "Azure VM がフェールオーバー時のリソース グループにあること",
		Why:    "Site Recovery は Azure VM をその場所で識別します。別のリソース グループに移動された VM のマシンは再保護できません。",
		Remedy: "Azure portal で Azure VM を開き、[移動] を選択して、ディスクおよびネットワーク インターフェイスとともにフェールオーバー時のリソース グループに戻してから、もう一度チェックしてください。",
	},
	"machine.azure-vm-running": {
		Title:  "マシンの Azure VM が実行中であること",
		Why:    "Azure VM のエージェントが再保護に参加し、データを送信します。VM が停止していると、ジョブは数分後に失敗します。",
		Remedy: "Azure portal で Azure VM を起動し、エージェントが再登録されるまで待ってください。再登録には最大 15 分かかります。",
	},
	"machine.azure-disks": {
		Title:  "Azure VM に、Azure にレプリケートされたディスク以外のディスクがないこと",
		Why:    "フェールオーバー後に Azure で追加されたディスクは、オンプレミスにレプリケートされません。その内容は Azure に残ります。",
		Remedy: "追加されたディスクの内容を、戻されるディスクにコピーするか、別の方法で移行する計画を立ててください。",
	},
	"machine.failover-committed": {
		Title:  "マシンのフェールオーバーがコミットされていること",
		Why:    "コミットされていないフェールオーバーは、再保護によってコミットされます。以後はその復旧ポイントに確定し、他の復旧ポイントは失われます。",
		Remedy: "その復旧ポイントのデータでよければ、対処は不要です。そうでない場合は、先にコンテナーで [復旧ポイントの変更] を実行してください。",
	},
	"machine.replication-health": {
		Title:  "Site Recovery がマシンのエラーを報告していないこと",
		Why:    "Site Recovery が報告するマシンの問題、特にエージェントの問題により、再保護が開始できないか、レプリケーションが完了しないことがあります。",
		Remedy: "コンテナーの [レプリケートされたアイテム] で、Azure の推奨事項に従ってください。",
	},
	"machine.os-supported": {
		Title:  "マシンが物理サーバーの Windows Server 2008 R2 SP1 ではないこと",
		Why:    "物理サーバーとして保護された Windows Server 2008 R2 SP1 は、フェールバックできません。",
		Remedy: "マシンを Azure に残すか、より新しいシステムのサーバーにワークロードを移行してください。",
	},
	"machine.snapshots": {
		Title:  "オンプレミスの VM にスナップショットがないこと",
		Why:    "再保護ジョブは、オンプレミスの VM のスナップショットを統合します。統合後にスナップショットは残らず、統合には時間がかかります。",
		Remedy: "対処は不要です。スナップショットが必要な場合は、再保護の前に VM をコピーしてください。",
	},
	"machine.powered-off": {
		Title:  "オンプレミスの VM の電源がオフになっていること",
		Why:    "再保護では、ディスクに書き込むためにオンプレミスの VM の電源がオフになります。実行中の処理は停止し、その VM での変更は失われます。",
		Remedy: "vCenter で VM をシャットダウンし ([電源] > [ゲスト OS のシャットダウン])、フェールバックまで電源をオフのままにしてください。",
	},
	"machine.linux-network": {
		Title:  "Linux マシンのネットワークは、フェールバック後に手動で設定すること",
		Why:    "Linux マシンは、Azure で削除された NetworkManager パッケージがない状態で戻ります。また、アドレスが静的であった場合も DHCP になります。",
		Remedy: "マシンのアドレスを今のうちに記録してください。フェールバック後に NetworkManager をインストールし、静的アドレスを設定し直してください。",
	},
	"machine.rdm": {
		Title:  "RAW デバイス マッピング (RDM) を使用するマシンが元の場所に戻ること",
		Why:    "別の場所では、RAW デバイス マッピング (RDM) を新しく作成できません。",
		Remedy: "RDM ディスクを含むオンプレミスの VM をバックアップから復元して vCenter に登録し、もう一度チェックしてください。",
	},
	"machine.disk-uuid": {
		Title:  "オンプレミスの VM で disk.EnableUUID が TRUE になっていること",
		Why:    "この設定がないと、ゲスト OS からディスクの UUID が見えず、マスター ターゲットがディスクを取り違えるおそれがあります。",
		Remedy: "vCenter で VM の電源をオフにし、[設定の編集] > [詳細パラメータ] で disk.EnableUUID を追加して、値を TRUE にしてください。",
	},

	"group.complete": {
		Title:  "レプリケーション グループのすべてのマシンがケースに含まれていること",
		Why:    "レプリケーション グループのマシンは復旧ポイントを共有しているため、まとめてでなければ再保護できません。",
		Remedy: "グループのすべてのマシンを指定した 1 つの要求を送信してください。",
	},
	"group.in-step": {
		Title:  "レプリケーション グループのすべてのマシンが同じ段階にあること",
		Why:    "マシンごとに段階が異なるグループには、共通の復旧ポイントがありません。異なる時点の状態でオンプレミスに戻ります。",
		Remedy: "コンテナーでグループの各マシンの状態を確認し、ほかのマシンも同じ段階にしてください。できない場合は、マシンが共有するもの (データベースとそのアプリケーションなど) がフェールバック後に整合することを確認してください。",
	},
	"group.same-master-target": {
		Title:  "レプリケーション グループのすべてのマシンが同じマスター ターゲットを使用すること",
		Why:    "マスター ターゲットが異なると、グループに共通の時点が作成されません。",
		Remedy: "グループのすべてのマシンに同じマスター ターゲットを指定してください。",
	},
	"group.same-os": {
		Title:  "レプリケーション グループが Windows のみ、または Linux のみで構成されていること",
		Why:    "グループは 1 つのマスター ターゲットを使用します。マスター ターゲットは、自身と同じシステムのマシンだけを受け入れます。",
		Remedy: "コンテナーで、異なるシステムのマシンをレプリケーション グループから外してください。その場合、マシンの保護のやり直しが必要になることがあります。",
	},

	"configuration-server.connected": {
		Title:  "構成サーバーが実行され、Azure に接続していること",
		Why:    "構成サーバーは、すべての再保護とフェールバックを制御します。構成サーバーがなければ、どちらも失敗します。",
		Remedy: "構成サーバーでサービス (tmansvc、InMage Scout VX Agent) を開始し、ポート 443 で Azure に接続できることを確認してください。",
	},
	"configuration-server.knows-machine": {
		Title:  "構成サーバーのデータベースにマシンが登録されていること",
		Why:    "構成サーバーが認識していないマシンのフェールバックは失敗します。",
		Remedy: "同じアドレスで構成サーバーをバックアップから復元し、コンテナーで構成サーバーを更新してください。",
	},
	"configuration-server.address": {
		Title:  "構成サーバーのアドレスがサイトの構成に記録されたアドレスと同じであること",
		Why:    "障害後に復元した構成サーバーには、以前と同じアドレスが必要です。アドレスが異なると、マシンが構成サーバーを見つけられません。",
		Remedy: "構成サーバーのアドレスを記録されたものに戻してください。新しいアドレスが正しい場合は、構成の configurationServerAddress に記録してください。",
	},
	"configuration-server.backup": {
		Title:  "構成サーバーの最新のバックアップがあることを担当者が保証していること",
		Why:    "災害後は、構成サーバーを同じアドレスで復元しなければ、その構成サーバーのマシンを戻すことができません。Azure はこのバックアップを把握していません。",
		Remedy: "構成サーバーがバックアップされていることを確認し、要求で保証してください: configuration-server.backup=<どのバックアップか、いつのものか>",
	},

	"process-server.connected": {
		Title:  "プロセス サーバーが構成サーバーに接続していること",
		Why:    "プロセス サーバーは Azure VM からデータを受け取ります。プロセス サーバーがなければ、レプリケーションは行われません。",
		Remedy: "プロセス サーバーで、ポート 443 で構成サーバーに接続できること、およびサービスが実行されていることを確認してください。",
	},
	"process-server.placement": {
		Title:  "プロセス サーバーが Azure にあるか、ExpressRoute で接続されていること",
		Why:    "Azure VM とプロセス サーバーの間は低遅延である必要があります。サイト間 VPN 経由でオンプレミスのプロセス サーバーを使用すると、レプリケーションが遅くなります。",
		Remedy: "マシンの Azure ネットワークにプロセス サーバーを設置して選択してください。既にそこにある場合は、要求で保証してください: process-server.placement=<ネットワーク>",
	},

	"network.private-path": {
		Title:  "Azure とサイトがサイト間 VPN または ExpressRoute プライベート ピアリングで接続されていること",
		Why:    "データは VPN または ExpressRoute を通ってのみ戻ります。また、Azure VM から構成サーバーに到達できる必要があります。",
		Remedy: "Azure ネットワークをサイトに接続し、サイトの構成に接続方法を指定してください: network.path に vpn または expressroute",
	},

	"network.ports": {
		Title:  "構成でプローブに指定されたポートが開いていること",
		Why:    "Azure VM は構成サーバー (443) とプロセス サーバー (9443) に、プロセス サーバーは構成サーバー (443) に到達できる必要があります。",
		Remedy: "経路上のファイアウォールとネットワーク セキュリティ グループでポートを開き、サーバーが動作して待ち受けていることを確認してください。",
	},
	"vcenter.connected": {
		Title:  "サイトの vCenter が応答すること",
		Why:    "再保護は vCenter を通じて書き込みを行います。また、前提条件のほとんどは vCenter からしか読み取れません。",
		Remedy: "vCenter が実行されていること、およびサイトの構成のアドレス、アカウント、証明書が正しいことを確認し、もう一度チェックしてください。",
	},
	"vcenter.discovered": {
		Title:  "マスター ターゲットの vCenter が構成サーバーに登録されていること",
		Why:    "Site Recovery は、検出したものだけを選択肢に表示します。別の vCenter では、データストアが表示されないか、アクセスできません。",
		Remedy: "コンテナーの [Site Recovery インフラストラクチャ] > [構成サーバー] でサーバーを選択し、vCenter を追加して、検出されるまで待ってください。",
	},
	"vcenter.privileges": {
		Title:  "vCenter のアカウントに、フェールバックに必要なすべての特権があること",
		Why:    "読み取り専用のアカウントでも保護とフェールオーバーは成功しますが、再保護ではデータストアが見つからず、ディスクに書き込めません。",
		Remedy: "vCenter で、不足している特権を含むロールをデータセンターに割り当て、子オブジェクトへ伝達してください。",
	},
	"esxi.licence": {
		Title:  "ESXi ホストのライセンスが無償版ではないこと",
		Why:    "無償版の ESXi (vSphere Hypervisor) では、フェールオーバーは成功しますが、フェールバックはできません。",
		Remedy: "vCenter で、ホストに評価ライセンスまたは有償ライセンスを割り当ててください ([設定] > [ライセンス])。",
	},

	"master-target.connected": {
		Title:  "マスター ターゲットの電源がオンで、構成サーバーに接続していること",
		Why:    "マスター ターゲットはデータを受け取り、ディスクに書き込みます。",
		Remedy: "vCenter でマスター ターゲットの電源をオンにしてください。マスター ターゲットでサービスを確認し、ポート 443 で構成サーバーに接続できることを確認してください。",
	},
	"master-target.version": {
		Title:  "マスター ターゲットのバージョンが、プロセス サーバーおよび構成サーバーより新しくないこと",
		Why:    "マスター ターゲットの方が新しいと、再保護は成功しても、その後のレプリケーションが失敗します。",
		Remedy: "構成サーバー、プロセス サーバーの順に、マスター ターゲットと同じかそれより新しいバージョンに更新してください。",
	},
	"master-target.os-family": {
		Title:  "マスター ターゲットがマシンと同じシステムであること (Windows には Windows、Linux には Linux)",
		Why:    "マスター ターゲットは、自身と同じシステムのボリュームにしか書き込めません。",
		Remedy: "マシンと同じシステムのマスター ターゲットを選択するか、新しくデプロイしてください。",
	},
	"master-target.disk-slots": {
		Title:  "ケースのディスクがマスター ターゲットの上限に収まること",
		Why:    "マスター ターゲットに接続できるディスクは最大 60 個です。それを超えると再保護は失敗します。",
		Remedy: "一部のマシンに別のマスター ターゲットを選択するか、他のマシンのフェールバックが終わるまで待ってください。",
	},
	"master-target.snapshots": {
		Title:  "マスター ターゲットにスナップショットと差分ディスクがないこと",
		Why:    "マスター ターゲットのディスクにスナップショットがあると、再保護とフェールバックの両方が失敗します。",
		Remedy: "vCenter でマスター ターゲットのスナップショットを削除し ([スナップショット] > [スナップショットの管理])、ディスクを統合してください。",
	},
	"master-target.disk-enable-uuid": {
		Title:  "マスター ターゲットで disk.EnableUUID が TRUE になっていること",
		Why:    "この設定がないと、ゲスト OS から見たディスクの UUID が一定にならず、正しくマウントできません。",
		Remedy: "vCenter でマスター ターゲットの電源をオフにし、[設定の編集] > [詳細パラメータ] で disk.EnableUUID を追加して、値を TRUE にしてください。",
	},
	"master-target.scsi-controller": {
		Title:  "マスター ターゲットの SCSI コントローラーが LSI Logic で、準仮想化コントローラーがないこと",
		Why:    "準仮想化コントローラーがある場合、または LSI Logic コントローラーがない場合、再保護は失敗します。",
		Remedy: "vCenter でマスター ターゲットの電源をオフにし、SCSI コントローラーを LSI Logic に変更してください。事前にシステムへのドライバーの追加が必要な場合があります。",
	},
	"master-target.vmware-tools": {
		Title:  "マスター ターゲットで VMware Tools が実行されていること",
		Why:    "VMware Tools がないと、マスター ターゲットのホストのデータストアが検出されません。",
		Remedy: "マスター ターゲットに VMware Tools または open-vm-tools をインストールし、開始してください。",
	},
	"master-target.vmfs": {
		Title:  "マスター ターゲットのホストに VMFS データストアがあること",
		Why:    "VMFS データストアがないと、再保護の画面のデータストアの一覧が空になり、先に進めません。",
		Remedy: "vCenter で、マスター ターゲットのホストに VMFS データストアを接続してください。",
	},
	"master-target.storage-vmotion": {
		Title:  "マスター ターゲットのディスクが別のデータストアに移動されないこと",
		Why:    "Storage vMotion でマスター ターゲットが移動されると、マシンのディスクも一緒に移動します。その後のフェールバックではディスクを切断できず、手動で探して接続しなければなりません。",
		Remedy: "vCenter でデータストア クラスタを開き、[設定] > [仮想マシンのオーバーライド] でマスター ターゲットの Storage DRS を無効にしてください。すべてのマシンが戻るまで移動しないでください。",
	},
	"master-target.uuid-collision": {
		Title:  "マシンとマスター ターゲットの UUID が重複していないこと",
		Why:    "同じテンプレートから作成された VM は、マシンまたはディスクの UUID が同じになることがあります。その場合、再保護は失敗します。",
		Remedy: "マシンとは別のテンプレートからマスター ターゲットをデプロイし、それを選択してください。",
	},

	"retention-drive.present": {
		Title:  "選択した保持ドライブがマスター ターゲットにあること",
		Why:    "保持ドライブがないと、再保護で何も選択できません。",
		Remedy: "マスター ターゲットにディスクを追加してフォーマットしてください。表示されるまでに最大 15 分かかります。表示されない場合は、コンテナーで構成サーバーを更新してください ([構成サーバー] > [サーバーの更新])。",
	},
	"retention-drive.eligible": {
		Title:  "保持ドライブに容量があり、FAT ではなく、システム ボリュームでもないこと",
		Why:    "保持ドライブは専用のボリュームでなければなりません。FAT または FAT32 でなく、容量がゼロでなく、他の用途に使用されておらず、マスター ターゲットがインストールされたキャッシュ ボリュームでもないことが必要です。",
		Remedy: "マスター ターゲットに新しいディスクを追加し、NTFS または ext4 でフォーマットして、保持ドライブとして選択してください。",
	},
	"failback-policy.present": {
		Title:  "フェールバック ポリシーが構成サーバーに関連付けられていること",
		Why:    "再保護ではフェールバック ポリシーを指定します。フェールバック ポリシーは正方向のポリシーと同時に作成され、構成サーバーに属します。",
		Remedy: "コンテナーの [Site Recovery インフラストラクチャ] > [レプリケーション ポリシー] で、ポリシーを構成サーバーに関連付けてください。フェールバック ポリシーが同時に作成されます。",
	},

	"appliance.healthy": {
		Title:  "レプリケーション アプライアンスが正常で、接続していること",
		Why:    "アプライアンスの再保護エージェントが Azure からデータを受け取り、ディスクに書き込みます。",
		Remedy: "コンテナーでアプライアンスを開き ([Site Recovery インフラストラクチャ] > [ASR レプリケーション アプライアンス])、報告された問題を解決するか、別のアプライアンスを選択してください。",
	},
	"appliance.disk-slots": {
		Title:  "ケースのディスクがアプライアンスの上限に収まること",
		Why:    "アプライアンスに接続できるディスクは最大 60 個です。",
		Remedy: "一部のマシンに別のアプライアンスを選択するか、他のマシンのフェールバックが終わるまで待ってください。",
	},
	"appliance.storage-vmotion": {
		Title:  "アプライアンスのディスクが別のデータストアに移動されないこと",
		Why:    "Storage vMotion でアプライアンスが移動されると、マシンのディスクも一緒に移動します。その後のフェールバックではディスクを切断できず、手動で探して接続しなければなりません。",
		Remedy: "vCenter でデータストア クラスタを開き、[設定] > [仮想マシンのオーバーライド] でアプライアンスの Storage DRS を無効にしてください。すべてのマシンが戻るまで移動しないでください。",
	},
	"log-storage.present": {
		Title:  "ログ ストレージ アカウントが指定されていること",
		Why:    "再保護の要求では、変更データが経由するストレージ アカウントを Azure の ID で指定する必要があります。",
		Remedy: "要求またはサイトの既定値 (logStorageAccount) で、ストレージ アカウントを ID で指定してください: /subscriptions/…/Microsoft.Storage/storageAccounts/…",
	},

	"datastore.type": {
		Title:  "データストアが VMFS または vSAN であること",
		Why:    "Site Recovery がサポートするのは VMFS と vSAN だけで、NFS は選択肢にも表示されません。vSAN は選択できても、ジョブが失敗することがあります。",
		Remedy: "VMFS データストアを選択するか、オンプレミスの VM のディスクを VMFS データストアに移動してください。",
	},
	"datastore.read-write": {
		Title:  "マスター ターゲットまたはアプライアンスがデータストアに書き込めること",
		Why:    "ディスクはマスター ターゲットまたはアプライアンスのホストから書き込まれます。データストアは、そのホストに読み取り/書き込みでマウントされている必要があります。",
		Remedy: "vCenter で、マスター ターゲットまたはアプライアンスのホストに、データストアを読み取り/書き込みでマウントしてください。",
	},
	"datastore.space": {
		Title:  "データストアにディスクの空き領域があること",
		Why:    "別の場所に戻す場合は、すべてのディスクの全容量が必要です。元の場所に戻す場合も、ディスクはその容量まで増加することがあります。",
		Remedy: "データストアの空き領域を増やすか、別のデータストアを選択してください。",
	},
	"location.original-or-alternate": {
		Title:  "マシンの戻り先がわかっていること",
		Why:    "オンプレミスの VM が存在する場合は、そのディスクに書き込まれます。存在しない場合は、マスター ターゲットまたはアプライアンスのホストに新しい VM が作成されます。",
		Remedy: "対処は不要です。元の VM を再び使用する場合は、再保護の前に vCenter に登録してください。",
	},
}

// japaneseRemedies holds what verdicts say to do, by their English format. [n] gives the arguments another order.
var japaneseRemedies = map[string]string{
	"Check the name of the datastore, mount it read-write on host %s, or give the account the right to see it.":                                                                                                                               "データストアの名前を確認し、ホスト %s に読み取り/書き込みでマウントするか、データストアを参照する権限をアカウントに付与してください。",
	"Choose %s, or add the drive to the master target: it shows up to 15 minutes later, or after a refresh of the configuration server.":                                                                                                      "%s を選択するか、マスター ターゲットにドライブを追加してください。表示されるまでに最大 15 分かかるか、構成サーバーの更新が必要です。",
	"Name an appliance that is registered with the vault, in the request or in the defaults of the site.":                                                                                                                                     "コンテナーに登録されているアプライアンスを、要求またはサイトの既定値で指定してください。",
	"Name a master target that is registered with the machine's configuration server, in the request or in the defaults of the site.":                                                                                                         "マシンの構成サーバーに登録されているマスター ターゲットを、要求またはサイトの既定値で指定してください。",
	"Name a process server that is registered with the machine's configuration server, in the request or in the defaults of the site.":                                                                                                        "マシンの構成サーバーに登録されているプロセス サーバーを、要求またはサイトの既定値で指定してください。",
	"Look in the vault what became of the machine: its protection may have been disabled, after which Site Recovery cannot bring it home.":                                                                                                    "コンテナーでマシンの状態を確認してください。保護が無効にされた可能性があり、その場合、Site Recovery でオンプレミスに戻すことはできません。",
	"Restore the configuration server from its backup, with the same address, and register it with the vault again. Without it no machine of it can be reprotected; if there is no backup, ask Microsoft support before you delete anything.": "構成サーバーをバックアップから同じアドレスで復元し、コンテナーにもう一度登録してください。構成サーバーがなければ、そのマシンはいずれも再保護できません。バックアップがない場合は、何も削除せずに Microsoft サポートに問い合わせてください。",
	"Choose a master target of %s.":                                                                                                                            "%s のマスター ターゲットを選択してください。",
	"Choose a master target with a system as new as the machine's.":                                                                                            "マシンと同じかそれより新しいシステムのマスター ターゲットを選択してください。",
	"If the machine had no RDM disks, go on. If it had, restore its VM from a backup first.":                                                                   "マシンに RDM ディスクがなかった場合は、そのまま続行してください。あった場合は、先に VM をバックアップから復元してください。",
	"In vCenter, delete the snapshots of %s (Snapshots > Manage Snapshots > Delete All) and consolidate its disks (Snapshots > Consolidate).":                  "vCenter で %s のスナップショットを削除し ([スナップショット] > [スナップショットの管理] > [すべて削除])、ディスクを統合してください ([スナップショット] > [統合])。",
	"In vCenter, reconnect the host of the VM, then check again.":                                                                                              "vCenter で VM のホストを再接続し、もう一度チェックしてください。",
	"In vCenter, resume the VM and shut it down, or discard the suspended state by Power Off.":                                                                 "vCenter で VM をレジュームしてシャットダウンするか、パワーオフしてサスペンド状態を破棄してください。",
	"Nothing is to be done here: the machine runs on-premises. To protect it again, reprotect it to Azure in the vault.":                                       "対処は不要です。マシンはオンプレミスで実行されています。もう一度保護するには、コンテナーで Azure への再保護を実行してください。",
	"Only a machine that runs in Azure after a failover can be reprotected. If it should run in Azure, fail it over in the vault first.":                       "再保護できるのは、フェールオーバー後に Azure で実行されているマシンだけです。Azure で実行する必要がある場合は、先にコンテナーでフェールオーバーしてください。",
	"Send one request that names %s too.":                                                                                                                      "%s も指定した 1 つの要求を送信してください。",
	"This machine cannot be reprotected any more.":                                                                                                             "このマシンはもう再保護できません。",
	"Use the same name or address for the vCenter in the config of the site and in the vault.":                                                                 "サイトの構成とコンテナーで、vCenter に同じ名前またはアドレスを使用してください。",
	"Wait for job %s to end, or cancel it under Jobs in the vault, then send the request again.":                                                               "ジョブ %s が終わるまで待つか、コンテナーの [ジョブ] で取り消してから、要求をもう一度送信してください。",
	"Wait until the failover has finished, or see under Jobs in the vault why it stopped, then send the request again.":                                        "フェールオーバーが完了するまで待つか、停止した理由をコンテナーの [ジョブ] で確認してから、要求をもう一度送信してください。",
	"Wait until the failover has finished, then send the request again.":                                                                                       "フェールオーバーが完了するまで待ってから、要求をもう一度送信してください。",
	"Give the identity of the product the role Reader on resource group %s, or see in the Azure portal that the Azure VM is there.":                            "製品の ID にリソース グループ %s の閲覧者ロールを付与するか、Azure portal で Azure VM が存在することを確認してください。",
	"See in the Azure portal which of them has the disks of %s.":                                                                                               "%s のディスクを持つ VM がどれかを Azure portal で確認してください。",
	"See in the Azure portal whether the Azure VM was moved or deleted.":                                                                                       "Azure VM が移動または削除されていないか、Azure portal で確認してください。",
	"Try the ports by hand, then check again.":                                                                                                                 "ポートを手動で確認してから、もう一度チェックしてください。",
	"Correct name resolution and routes of the machine on which the product runs, or try the port by hand.":                                                    "製品を実行しているマシンの名前解決とルートを修正するか、ポートを手動で確認してください。",
	"In vCenter, look at Monitor > Tasks of VM %s for relocations.":                                                                                            "vCenter で VM %s の [監視] > [タスク] を開き、再配置のタスクがないか確認してください。",
	"Wait in vCenter until the move of %s has ended, see that nothing starts another, then send the request again.":                                            "vCenter で %s の移動が終わるまで待ち、次の移動が始まらないことを確認してから、要求をもう一度送信してください。",
	"See that %s runs and is connected when the move has ended, and that nothing moves its disks.":                                                             "移動が終わった後に %s が稼働して接続されていること、およびディスクが移動されないことを確認してください。",
	"Find out in vCenter who or what moved %s, and see that it does not happen again until every machine is home.":                                             "%s を移動した人または機能を vCenter で特定し、すべてのマシンが戻るまで再び移動されないようにしてください。",
	"In vCenter, see which VM the %s is, and convert the template to a VM if it is that one.":                                                                  "vCenter で、%s がどの VM かを確認し、このテンプレートである場合は VM に変換してください。",
	"In vCenter, consolidate the disks of %s (Snapshots > Consolidate), and see in Edit Settings that its disk files lose the number at their end.":            "vCenter で %s のディスクを統合し ([スナップショット] > [統合])、[設定の編集] でディスク ファイル名の末尾の番号がなくなったことを確認してください。",
	"Give the vCenter account the right to see the VM of %s. If it was deleted, attest it in the request: location.original-or-alternate=<when, and by whom>.": "vCenter アカウントに %s の VM を参照する権限を付与してください。VM が削除されている場合は、要求で location.original-or-alternate=<削除した日時と人> と証明してください。",
	"In vCenter, convert the template to a VM, or see which VM was meant.":                                                                                     "vCenter でテンプレートを VM に変換するか、対象の VM を確認してください。",
	"In vCenter, end the maintenance of host %s, or choose what writes the disks on another host.":                                                             "vCenter でホスト %s のメンテナンス モードを終了するか、別のホスト上のマスター ターゲットまたはアプライアンスを選択してください。",

	"See in the Azure portal that Azure VM %s runs.": "Azure portal で Azure VM %s が実行中であることを確認してください。",

	// Stages.
	"Only VMware and physical machines can be reprotected here. See Site Recovery's own guide for %s.":                                                                 "ここで再保護できるのは、VMware マシンと物理マシンのみです。%s については、Site Recovery のガイドを参照してください。",
	"Wait until the failback has ended. Nothing can be reprotected until then.":                                                                                        "フェールバックが終了するまでお待ちください。それまでは再保護できません。",
	"Check the machine, then commit the failback in the vault: the commit removes the VM in Azure, which still costs. To go back to Azure, cancel the failover there.": "マシンを確認してから、コンテナーでフェールバックをコミットしてください。コミットすると、まだ課金されている Azure の VM が削除されます。Azure に戻すには、コンテナーでフェールオーバーをキャンセルしてください。",
	"See in the vault whether the machine runs in Azure after a failover and whether reprotect is offered, then send the request again.":                               "マシンがフェールオーバー後に Azure で実行されていること、および再保護を選択できることをコンテナーで確認してから、要求をもう一度送信してください。",
}
