import WeirCLI

CommandLineTool.main()
