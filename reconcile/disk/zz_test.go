package disk
import ("testing";"os";"path/filepath")
func TestZZ(t *testing.T){ m,_:=filepath.Glob("/tmp/bg/q/*.*"); for _,p:=range m { f,_:=os.Open(p); i,_:=f.Stat(); v,err:=Inspect(f,i.Size(),"qcow2"); t.Log(filepath.Base(p),v,err)}}
