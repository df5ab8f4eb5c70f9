package journal_test
import ("testing";"os";"path/filepath";"golang.org/x/sys/unix";"fmt";"github.com/njia-health/njia/engine/journal")
func TestDbg(t *testing.T){
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=12m"); err != nil { t.Skip() }
	defer unix.Unmount(dir, unix.MNT_DETACH)
	df:=func(w string){ var s unix.Statfs_t; unix.Statfs(dir,&s); fmt.Println(w,"free KB",s.Bavail*uint64(s.Bsize)/1024)
	 es,_:=os.ReadDir(dir); for _,e:=range es{ i,_:=e.Info(); fmt.Println("  ",e.Name(),i.Size()/1024)}}
	j:=open(t,dir)
	os.WriteFile(filepath.Join(dir,"ballast"),make([]byte,4<<20),0o600)
	filled(t,j,20<<10,2000); df("full")
	os.Remove(filepath.Join(dir,"ballast")); df("removed")
	for i:=0;i<5;i++{
	_,err:=j.Append(t.Context(),[]journal.Entry{noise(9999,20<<10)}); fmt.Println(err); df("after")}
	j.Close()
}
