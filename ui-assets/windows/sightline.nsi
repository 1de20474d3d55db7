; The installer for Windows: for one user, without an administrator. Whoever calls makensis gives
; VERSION, ROOT (the folder whose files are installed) and OUT, and maybe TARGET.
!ifdef TARGET
    ; Wine may know 64 bits only, and not every makensis can make an installer of these.
    Target "${TARGET}"
!else
    Unicode true
!endif
!include "MUI2.nsh"
!define KEY "Software\Microsoft\Windows\CurrentVersion\Uninstall\Sightline"

Name "Sightline"
OutFile "${OUT}"
InstallDir "$LOCALAPPDATA\Programs\Sightline"
InstallDirRegKey HKCU "${KEY}" "InstallLocation"
RequestExecutionLevel user
SetCompressor /SOLID lzma
!define MUI_ICON "sightline.ico"
!define MUI_UNICON "sightline.ico"

!insertmacro MUI_PAGE_DIRECTORY
!insertmacro MUI_PAGE_INSTFILES
!define MUI_FINISHPAGE_RUN "$INSTDIR\sightlinew.exe"
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English"

Section
    SetOutPath "$INSTDIR"
    File /r "${ROOT}\*"
    WriteUninstaller "$INSTDIR\uninstall.exe"
    CreateShortcut "$SMPROGRAMS\Sightline.lnk" "$INSTDIR\sightlinew.exe"
    WriteRegStr HKCU "${KEY}" "DisplayName" "Sightline"
    WriteRegStr HKCU "${KEY}" "DisplayVersion" "${VERSION}"
    WriteRegStr HKCU "${KEY}" "DisplayIcon" "$INSTDIR\sightline.exe"
    WriteRegStr HKCU "${KEY}" "InstallLocation" "$INSTDIR"
    WriteRegStr HKCU "${KEY}" "UninstallString" '"$INSTDIR\uninstall.exe"'
    WriteRegStr HKCU "${KEY}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
    WriteRegDWORD HKCU "${KEY}" "NoModify" 1
    WriteRegDWORD HKCU "${KEY}" "NoRepair" 1
SectionEnd

; Only what was installed goes, so that a folder that was chosen by mistake loses nothing else.
Section "Uninstall"
    Delete "$SMPROGRAMS\Sightline.lnk"
    Delete "$INSTDIR\sightline.exe"
    Delete "$INSTDIR\sightlinew.exe"
    Delete "$INSTDIR\README.md"
    Delete "$INSTDIR\CHANGELOG.md"
    Delete "$INSTDIR\LICENSE-MIT"
    Delete "$INSTDIR\LICENSE-APACHE"
    Delete "$INSTDIR\OFL.txt"
    Delete "$INSTDIR\uninstall.exe"
    RMDir "$INSTDIR"
    DeleteRegKey HKCU "${KEY}"
SectionEnd
